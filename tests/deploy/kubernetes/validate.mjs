// SPDX-License-Identifier: Apache-2.0
//
// validate.mjs OBJECTS.json OUT.ts: is every object what Kubernetes and the Prometheus
// operator take?
//
// Values are checked here. Unknown fields, which a validator lets pass, are left to TypeScript:
// OUT.ts says of each object that it satisfies its type.
import { readFileSync, writeFileSync } from "node:fs";

const [input, output] = process.argv.slice(2);
const operator = "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

function moduleOf({ apiVersion, kind }) {
  if (apiVersion === "monitoring.coreos.com/v1") return `${operator}/${kind}`;
  return `kubernetes-models/${apiVersion}/${kind}`;
}

let failures = 0;
const lines = [];
for (const [index, object] of JSON.parse(readFileSync(input, "utf8")).entries()) {
  const name = `${object.kind} ${object.metadata?.name}`;
  const found = moduleOf(object);
  try {
    const module = await import(found);
    new module[object.kind](object).validate();
    lines.push(`import { I${object.kind} as T${index} } from "${found}";`);
    lines.push(`export const object${index} = ${JSON.stringify(object)} satisfies T${index};`);
  } catch (error) {
    console.log(`${name}: ${error.message}`);
    failures += 1;
  }
}
writeFileSync(output, lines.join("\n") + "\n");
process.exit(failures ? 1 : 0);
