import assert from "node:assert/strict";
import { test } from "node:test";
import {
  cidrErrors,
  configMapKeyErrors,
  dns1035LabelErrors,
  dnsLabelErrors,
  dnsSubdomainErrors,
  envVarNameErrors,
  ipErrors,
  labelValueErrors,
  pathSegmentErrors,
  portNameErrors,
  portNumberErrors,
  qualifiedNameErrors,
  randomSuffix,
  wildcardSubdomainErrors,
} from "./names.ts";

const rules: [string, (text: string) => string[], string[], string[]][] = [
  ["dns label", dnsLabelErrors, ["a", "a-b", "1a"], ["", "A", "-a", "a-", "a.b", "a_b", "a".repeat(64)]],
  ["dns subdomain", dnsSubdomainErrors, ["a", "a.b", "1.2"], ["", "a..b", ".a", "A", "a".repeat(254)]],
  ["dns 1035 label", dns1035LabelErrors, ["a", "a1-b"], ["1a", "", "a-"]],
  ["wildcard", wildcardSubdomainErrors, ["*.a.b"], ["*", "*.", "a.b", "*.*.a"]],
  ["label key", qualifiedNameErrors, ["a", "A.b_c", "x.y/z"], ["", "/a", "a/", "a/b/c", "X.y/z", "-a", "a".repeat(64)]],
  ["label value", labelValueErrors, ["", "a", "A.b_c-1"], ["-a", "a/b", "a".repeat(64)]],
  ["path segment", pathSegmentErrors, ["a:b", "system:x"], [".", "..", "a/b", "a%b"]],
  ["port name", portNameErrors, ["http", "a1", "8a"], ["", "80", "A", "a--b", "-a", "a".repeat(16)]],
  ["config key", configMapKeyErrors, ["a.b", ".a", "A_b"], ["", ".", "..", "..a", "a/b"]],
  ["env name", envVarNameErrors, ["A", "a.b", "a b", "1"], ["", "a=b", "é"]],
  ["ip", ipErrors, ["10.0.0.1", "::1"], ["10.0.0", "10.0.0.01", "x", "fe80::1%eth0"]],
  ["cidr", cidrErrors, ["10.0.0.0/8", "::/0"], ["10.0.0.0/33", "10.0.0.0", "::/129", "10.0.0.0/08"]],
];

for (const [name, rule, good, bad] of rules) {
  test(`${name}: good texts pass and bad ones do not`, () => {
    for (const text of good) assert.deepEqual(rule(text), [], text);
    for (const text of bad) assert.notDeepEqual(rule(text), [], text);
  });
}

test("complaints read as clients know them", () => {
  assert.deepEqual(dnsLabelErrors("A"), [
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  ]);
  assert.deepEqual(portNumberErrors(0), ["must be between 1 and 65535, inclusive"]);
});

test("random suffixes have the asked length and only letters that spell no words", () => {
  assert.match(randomSuffix(100), /^[bcdfghjklmnpqrstvwxz2456789]{100}$/);
});
