// SPDX-License-Identifier: Apache-2.0
// pages.mjs DIRECTORY OUT: draws index.html and vm.html of DIRECTORY into OUT, light and dark, wide and narrow.
// Run where node_modules are. Exits 1 if a page is wider than its window, if a table has no room in a wide one, or
// if the page complains.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';

const [directory, out] = process.argv.slice(2);
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--force-color-profile=srgb', '--disable-gpu'],
});

let complaints = 0;
const complain = (file, what) => {
  complaints += 1;
  console.log(`${file}: ${what}`);
};

for (const name of ['index', 'vm']) {
  const html = await readFile(join(directory, `${name}.html`), 'utf8');
  for (const mode of ['light', 'dark']) {
    for (const [size, width] of [['wide', 1400], ['narrow', 500]]) {
      const file = join(out, `${name}-${mode}-${size}.png`);
      const page = await browser.newPage();
      page.on('pageerror', (error) => complain(file, error.message));
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: mode }]);
      await page.setViewport({ width, height: 800 });
      await page.setContent(html, { timeout: 300_000 });
      const needed = await page.evaluate(() => document.documentElement.scrollWidth);
      if (needed > width) {
        complain(file, `needs ${needed} of ${width} pixels`);
      }
      const cut = await page.$$eval('.wide', (all) => all.filter((e) => e.scrollWidth > e.clientWidth)
        .map((e) => e.innerText.split('\n')[0]));
      if (size === 'wide' && cut.length > 0) {
        complain(file, `tables without room: ${cut.join('; ')}`);
      }
      await page.screenshot({ path: file, fullPage: true });
      await page.close();
      console.log(file);
    }
  }
}
await browser.close();
process.exit(complaints ? 1 : 0);
