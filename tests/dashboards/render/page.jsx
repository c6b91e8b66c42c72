// SPDX-License-Identifier: Apache-2.0
// A dashboard drawn with Grafana's own components, laid out as Grafana does. No part of it is
// Grafana's application: what imports a dashboard and runs its queries there is not tested by this.
//
// React is 19, not Grafana's 18: tables take it, since Grafana's own fork of react-data-grid is not
// published, and the published one wants it.
import {
  EventBusSrv, FieldConfigOptionsRegistry, FieldType, ThemeContext, VizOrientation, applyFieldOverrides,
  cacheFieldDisplayNames, createTheme, dateTime, getDisplayValueAlignmentFactors, getFieldDisplayValues, renderTextPanelMarkdown, standardTransformers,
  standardTransformersRegistry, transformDataFrame,
} from '@grafana/data';
import { BarGauge, BigValue, GlobalStyles, PanelChrome, PanelContextProvider, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { createRoot } from 'react-dom/client';
import { lastValueFrom } from 'rxjs';

import { interpolate, query } from './queries.js';

const ROW = 30, GAP = 8; // Grafana's grid

standardTransformersRegistry.setInit(() =>
  [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer].map((transformation) => ({
    id: transformation.id, name: transformation.name, transformation, editor: () => null,
  })));

/** Properties of fields that this panel sets; Grafana's plugins register theirs. */
function registry({ fieldConfig }) {
  const ids = new Set(Object.keys(fieldConfig.defaults).filter((key) => key !== 'custom'));
  Object.keys(fieldConfig.defaults.custom ?? {}).forEach((key) => ids.add(`custom.${key}`));
  fieldConfig.overrides.forEach((rule) => rule.properties.forEach(({ id }) => ids.add(id)));
  return new FieldConfigOptionsRegistry(() => [...ids].map((id) => ({
    id, path: id.replace(/^custom\./, ''), name: id, isCustom: id.startsWith('custom.'),
    process: (value) => value, shouldApply: () => true, override: () => null, editor: () => null,
  })));
}

async function load(panel, context, width) {
  let frames = await query(panel, context, width);
  if (panel.transformations) {
    frames = await lastValueFrom(transformDataFrame(panel.transformations, frames));
  }
  const shown = applyFieldOverrides({
    data: frames, fieldConfig: panel.fieldConfig, fieldConfigRegistry: registry(panel),
    replaceVariables: (text) => text, theme: context.theme, timeZone: 'utc',
  });
  cacheFieldDisplayNames(shown);
  return shown;
}

function displayValues(panel, frames, context, sparkline) {
  return getFieldDisplayValues({
    fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions, data: frames, sparkline,
    replaceVariables: (text) => text, theme: context.theme, timeZone: 'utc',
  });
}

function Graph({ panel, frames, context, width, height }) {
  const { legend } = panel.options;
  return (
    <PanelContextProvider value={{ eventBus: new EventBusSrv(), eventsScope: 'global' }}>
      <TimeSeries frames={frames} timeRange={context.range} timeZone="utc" width={width} height={height}
        legend={legend} options={panel.options} />
    </PanelContextProvider>
  );
}

function Stat({ panel, frames, context, width, height }) {
  const { options } = panel;
  const values = displayValues(panel, frames, context, options.graphMode !== 'none');
  return (
    <VizRepeater width={width} height={height} source={values} autoGrid orientation={VizOrientation.Auto}
      getValues={() => values}
      renderValue={({ value, width, height, count }) => (
        <BigValue value={value.display} sparkline={value.sparkline} theme={context.theme} width={width}
          height={height} count={count} {...options} />
      )} />
  );
}

function Bars({ panel, frames, context, width, height }) {
  const { options } = panel;
  const values = displayValues(panel, frames, context, false);
  return (
    <VizRepeater width={width} height={height} source={values} itemSpacing={6} getValues={() => values}
      getAlignmentFactors={getDisplayValueAlignmentFactors} orientation={options.orientation} minVizWidth={options.minVizWidth}
      minVizHeight={options.minVizHeight} maxVizHeight={options.maxVizHeight}
      renderValue={({ value, width, height, orientation, alignmentFactors }) => (
        <BarGauge value={value.display} field={value.field} display={value.view?.getFieldDisplayProcessor(value.colIndex)}
          theme={context.theme} width={width} height={height} orientation={orientation}
          displayMode={options.displayMode} valueDisplayMode={options.valueMode} itemSpacing={6}
          showUnfilled={options.showUnfilled} namePlacement={options.namePlacement}
          alignmentFactors={alignmentFactors} />
      )} />
  );
}

function Table({ panel, frames, width, height }) {
  const { options } = panel;
  return (
    <TableNG data={frames[0]} width={width} height={height} cellHeight={options.cellHeight}
      initialSortBy={options.sortBy} fieldConfig={panel.fieldConfig} enableVirtualization={false} />
  );
}

const KINDS = { timeseries: Graph, stat: Stat, bargauge: Bars, table: Table };

const hasData = (frames) => frames.some((frame) =>
  frame.length > 0 && frame.fields.some((field) => field.type !== FieldType.time && field.values.some((v) => v != null)));

function Panel({ panel, frames, context, width, height }) {
  const Kind = KINDS[panel.type];
  const title = interpolate(panel.title, context.variables, context.range, 15);
  return (
    <PanelChrome title={title} description={panel.description} width={width} height={height}>
      {(innerWidth, innerHeight) => hasData(frames)
        ? <Kind panel={panel} frames={frames} context={context} width={innerWidth} height={innerHeight} />
        : <div style={{ display: 'grid', placeItems: 'center', height: innerHeight, textAlign: 'center' }}>
            {panel.fieldConfig.defaults.noValue ?? 'No data'}
          </div>}
    </PanelChrome>
  );
}

/** Draws a dashboard; returns its height, the titles of the panels without data, and how many tables
 *  and graphs there must be in the end. */
window.draw = async ({ dashboard, url, variables, from, to, dark, width }) => {
  const theme = createTheme({ colors: { mode: dark ? 'dark' : 'light' } });
  const range = { from: dateTime(from * 1000).utc(), to: dateTime(to * 1000).utc(), raw: { from: '', to: '' } };
  const context = { url, variables, range, theme };
  const column = (width - GAP) / 24;
  const size = ({ gridPos }) => ({
    left: gridPos.x * column + GAP, top: gridPos.y * (ROW + GAP) + GAP,
    width: gridPos.w * column - GAP, height: gridPos.h * (ROW + GAP) - GAP,
  });
  const drawn = await Promise.all(dashboard.panels.map(async (panel) => ({
    panel, box: size(panel), frames: panel.targets ? await load(panel, context, size(panel).width) : [],
  })));
  const height = Math.max(...drawn.map(({ box }) => box.top + box.height)) + GAP;
  const element = document.getElementById('root');
  element.style.cssText = `position: relative; width: ${width}px; height: ${height}px;
    background: ${theme.colors.background.canvas}; color: ${theme.colors.text.primary}`;
  createRoot(element).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      {drawn.map(({ panel, box, frames }) => (
        <div key={panel.id} style={{ position: 'absolute', ...box }}>
          {panel.type === 'row' ? <b>{panel.title}</b>
            : panel.type === 'text' ? (
              <PanelChrome title={panel.title} width={box.width} height={box.height}>
                {() => <div className="markdown-html" dangerouslySetInnerHTML={{ __html: renderTextPanelMarkdown(panel.options.content) }} />}
              </PanelChrome>
            ) : <Panel panel={panel} frames={frames} context={context} width={box.width} height={box.height} />}
        </div>
      ))}
    </ThemeContext.Provider>);
  const empty = drawn.filter(({ panel, frames }) => panel.targets && !hasData(frames));
  const count = (type) => drawn.filter((one) => one.panel.type === type && !empty.includes(one)).length;
  return {
    height, empty: empty.map(({ panel }) => panel.title), tables: count('table'), graphs: count('timeseries'),
  };
};
