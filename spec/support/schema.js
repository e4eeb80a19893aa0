// Checks values against a JSON Schema with npm's ajv, strictly.
// usage: node schema.js FILE     FILE: { "schema": ..., "values": [...] } as JSON; "-" is printed for each that fits, else
// where it does not and why, a line each.
const fs = require("fs");
const Ajv = require("ajv/dist/2020");

const { schema, values } = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const validate = new Ajv({ strict: true, strictTypes: false, inlineRefs: false }).compile(schema);
for (const value of values) {
  const fits = validate(value);
  const errors = fits ? [] : validate.errors.map((e) => `${e.instancePath} ${e.message}`);
  console.log(fits ? "-" : errors.join("; "));
}
