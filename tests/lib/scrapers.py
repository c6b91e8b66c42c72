"""Scrapers that ask again and again, in all formats."""

import http.client
import threading

SCRAPERS = [{}, {"Accept": "application/openmetrics-text"}, {"Accept-Encoding": "gzip"},
            {"Accept": "application/openmetrics-text", "Accept-Encoding": "gzip"}]


class Scraper(threading.Thread):
    """Scrapes again and again until stopped."""

    def __init__(self, port, headers):
        super().__init__()
        self.port, self.headers, self.stopping, self.scrapes, self.error = port, headers, False, 0, None

    def run(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            kept = False
            while not self.stopping:
                try:
                    self.scrape(connection)
                    kept = True
                except (ConnectionError, http.client.RemoteDisconnected):
                    # A server may close a kept-alive connection that was idle, on a slow host too.
                    if not kept:
                        raise
                    connection.close()
                    kept = False
        except (OSError, http.client.HTTPException) as error:
            self.error = error

    def scrape(self, connection):
        connection.request("GET", "/metrics", headers=self.headers)
        answer = connection.getresponse()
        if answer.status != 200 or not answer.read():
            raise OSError(f"status {answer.status}")
        self.scrapes += 1


def start_scrapers(port):
    scrapers = [Scraper(port, headers) for headers in SCRAPERS]
    for scraper in scrapers:
        scraper.start()
    return scrapers


def check_scrapes(verdict, scrapers):
    """Ends them."""
    for scraper in scrapers:
        scraper.stopping = True
    for scraper in scrapers:
        scraper.join()
        verdict.check(scraper.error is None and scraper.scrapes >= 5,
                      f"{scraper.scrapes} scrapes with {scraper.headers}; {scraper.error}")
