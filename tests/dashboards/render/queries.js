// SPDX-License-Identifier: Apache-2.0
// A panel's queries to Prometheus, and what comes back as Grafana's data frames: as Grafana's own
// Prometheus data source does it, for the forms that the dashboards use.
import { FieldType, rangeUtil, renderLegendFormat } from '@grafana/data';

const SCRAPE = 15; // seconds; Grafana's default for a data source, too

/** Seconds between points, for a panel of this width. */
export function stepOf(range, width) {
  const { intervalMs } = rangeUtil.calculateInterval(range, Math.round(width), `${SCRAPE}s`);
  return intervalMs / 1000;
}

/** Grafana's own variables and the dashboard's, in an expression. */
export function interpolate(text, variables, range, step) {
  const seconds = (range.to.valueOf() - range.from.valueOf()) / 1000;
  const known = {
    ...variables,
    __range: `${seconds}s`,
    __rate_interval: `${Math.max(step + SCRAPE, 4 * SCRAPE)}s`,
    __interval: `${step}s`,
  };
  return text.replace(/\$(\w+)|\$\{(\w+)(?::\w+)?\}/g, (all, plain, braced) => {
    const value = known[plain ?? braced];
    return value === undefined ? all : value;
  });
}

async function ask(url, expression, range, step, instant) {
  const to = range.to.valueOf() / 1000;
  const from = Math.floor(range.from.valueOf() / 1000 / step) * step;
  const body = new URLSearchParams({ query: expression });
  if (instant) {
    body.set('time', to);
  } else {
    body.set('start', from);
    body.set('end', to);
    body.set('step', step);
  }
  const answer = await fetch(`${url}/api/v1/${instant ? 'query' : 'query_range'}`, { method: 'POST', body });
  const { data, error } = await answer.json();
  if (error) {
    throw new Error(`${expression}: ${error}`);
  }
  if (data.resultType === 'scalar') {
    return [{ metric: {}, values: [data.result] }];
  }
  return data.result.map((series) => ({ metric: series.metric, values: series.values ?? [series.value] }));
}

function legend(format, metric) {
  if (format && format !== '__auto') {
    return renderLegendFormat(format, metric);
  }
  const labels = Object.entries(metric).filter(([name]) => name !== '__name__');
  return labels.map(([name, value]) => `${name}="${value}"`).join(', ') || 'Value';
}

const time = (values, step) => ({
  name: 'Time', type: FieldType.time, values, config: { interval: step * 1000 },
});

function lines(series, target, step) {
  return series.map(({ metric, values }) => {
    const name = legend(target.legendFormat, metric);
    return {
      refId: target.refId,
      name,
      length: values.length,
      fields: [
        time(values.map(([at]) => at * 1000), step),
        {
          name: 'Value', type: FieldType.number, labels: metric, config: { displayNameFromDS: name },
          values: values.map(([, value]) => Number(value)),
        },
      ],
    };
  });
}

/** One frame, a row a series. */
function rows(series, target, several) {
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
  const value = several ? `Value #${target.refId}` : 'Value';
  return [{
    refId: target.refId,
    length: series.length,
    fields: [
      time(series.map(({ values }) => values[0][0] * 1000), 0),
      ...labels.map((name) => ({
        name, type: FieldType.string, config: {}, values: series.map(({ metric }) => metric[name] ?? ''),
      })),
      {
        name: value, type: FieldType.number, config: {},
        values: series.map(({ values }) => Number(values[0][1])),
      },
    ],
  }];
}

/** Buckets are cumulative: one field for each, without what is in those below. */
function buckets(series, step) {
  const bound = ({ metric }) => (metric.le === '+Inf' ? Infinity : Number(metric.le));
  const sorted = [...series].sort((a, b) => bound(a) - bound(b));
  if (!sorted.length) {
    return [];
  }
  const fields = sorted.map(({ metric, values }, n) => ({
    name: metric.le, type: FieldType.number, config: {},
    values: values.map(([, value], at) => value - (n ? sorted[n - 1].values[at][1] : 0)),
  }));
  return [{ length: 1, fields: [time(sorted[0].values.map(([at]) => at * 1000), step), ...fields] }];
}

/** All frames of a panel, before its transformations. */
export async function query(panel, { url, range, variables }, width) {
  const step = stepOf(range, width);
  const targets = panel.targets ?? [];
  const found = await Promise.all(targets.map(async (target) => {
    const expression = interpolate(target.expr, variables, range, step);
    const series = await ask(url, expression, range, step, target.instant);
    switch (target.format) {
      case 'table':
        return series.length ? rows(series, target, targets.length > 1) : [];
      case 'heatmap':
        return buckets(series, step);
      default:
        return lines(series, target, step);
    }
  }));
  return found.flat();
}
