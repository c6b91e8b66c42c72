// SPDX-License-Identifier: Apache-2.0
// draw.mjs JOBS.json: bundles page.jsx, opens it in headless Chromium, and takes a picture a job.
// Run where node_modules are. Prints what the page had to complain of; exits 1 if anything.
import { build } from 'esbuild';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';

const here = process.cwd();
const jobs = JSON.parse(await readFile(process.argv[2], 'utf8'));
const icons = join(here, 'node_modules/@grafana/ui/dist/public');
const html = '<!doctype html><meta charset="utf-8"><body style="margin:0"><div id="root"></div>'
  + '<link rel="stylesheet" href="/page.css"><script src="/page.js"></script>';

await build({
  entryPoints: ['page.jsx'], bundle: true, outfile: 'page.js', jsx: 'automatic', logLevel: 'error',
  loader: { '.ttf': 'dataurl', '.svg': 'dataurl' }, define: { 'process.env.NODE_ENV': '"production"' },
});

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  try {
    if (pathname === '/') {
      response.setHeader('Content-Type', 'text/html').end(html);
    } else if (pathname.startsWith('/public/')) {
      const icon = pathname.replace(/^\/public\/(build\/)?/, '');
      response.setHeader('Content-Type', 'image/svg+xml').end(await readFile(join(icons, icon)));
    } else {
      response.end(await readFile(join(here, pathname)));
    }
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const address = `http://127.0.0.1:${server.address().port}/`;

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  // Prometheus is of another origin than the page.
  args: ['--no-sandbox', '--disable-web-security', '--force-color-profile=srgb', '--disable-gpu'],
});

// Beyond the viewport there is nothing; to look for it, Chromium resizes the page, and loses tables.
const picture = (page, options) => page.screenshot({ captureBeyondViewport: false, ...options });

/** Everything is there, and two pictures in a row are the same. */
async function settled(page, { tables, graphs }) {
  await page.waitForFunction((tables, graphs) => {
    const filled = [...document.querySelectorAll('[role="grid"]')]
      .filter((grid) => grid.querySelector('[role="gridcell"]'));
    return filled.length >= tables && document.querySelectorAll('.uplot canvas').length >= graphs;
  }, { timeout: 300_000 }, tables, graphs);
  await page.waitForNetworkIdle();
  for (let before = '', tries = 0; tries < 60; tries += 1) {
    const now = await picture(page, { encoding: 'base64' });
    if (now === before) {
      return;
    }
    before = now;
    await new Promise((done) => setTimeout(done, 500));
  }
  throw new Error('the page does not come to rest');
}

let complaints = 0;
for (const job of jobs) {
  const page = await browser.newPage();
  page.on('pageerror', (error) => {
    complaints += 1;
    console.log(`${job.file}: ${error.stack ?? error.message}`);
  });
  await page.setViewport({ width: job.width, height: 1000 });
  await page.goto(address, { timeout: 300_000 });
  const { height, empty, ...expected } = await page.evaluate((arg) => window.draw(arg), job);
  await page.setViewport({ width: job.width, height });
  await settled(page, expected);
  await picture(page, { path: job.file });
  if (job.upper) {
    const clip = { x: 0, y: 0, width: job.width, height: job.upper.height };
    await picture(page, { path: job.upper.file, clip });
  }
  await page.close();
  const [found, known] = [empty, job.empty].map((titles) => titles.sort().join(', ') || 'none');
  if (found !== known) {
    complaints += 1;
    console.log(`${job.file}: panels without data: ${found}; expected: ${known}`);
  }
  console.log(`${job.file}: ${job.width} x ${height}`);
}
await browser.close();
server.close();
process.exit(complaints ? 1 : 0);
