import { isInCidrs, isPublicAddress, normalizeAddress, parseCidr } from "../../lib/address.ts";
import { assert, assertEquals, assertFalse } from "../support/assert.ts";

Deno.test("addresses of the public Internet are public", () => {
  for (
    const ip of [
      "1.1.1.1",
      "8.8.8.8",
      "100.63.255.255",
      "100.128.0.1",
      "172.15.0.1",
      "172.32.0.1",
      "192.167.1.1",
      "198.17.0.1",
      "198.20.0.1",
      "223.255.255.254",
      "2606:4700::1111",
      "2a00:1450:4001:81b::200e",
      "::ffff:8.8.8.8",
      "[2606:4700::1111]",
      "64:ff9b::8.8.8.8",
      "2002:0808:0808::1",
    ]
  ) assert(isPublicAddress(ip), ip);
});

Deno.test("an address that only this network or machine knows is not public, in any notation", () => {
  for (
    const ip of [
      ...["0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1"],
      ...["172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1", "100.127.255.255"],
      ...["224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.51.100.7"],
      ...["203.0.113.9", "198.18.0.1", "192.0.0.1", "192.88.99.1"],
      ...["::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "fec0::1"],
      ...["2001:db8::1", "3fff::1", "100::1", "5f00::1", "2001::1", "4000::1", "::127.0.0.1"],
      ...["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254"],
      ...["64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::8.8.8.8"],
      ...["2002:7f00:0001::", "2002:0a00:0001::1", "2002:a9fe:a9fe::1", "[::1]", "[fd00::1]"],
    ]
  ) assertFalse(isPublicAddress(ip), ip);
});

Deno.test("what is no full address is not public", () => {
  for (
    const text of [
      ...["", " ", "localhost", "example.com", "127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433"],
      ...["1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", " 8.8.8.8", "8.8.8.8/32", ":", ":::"],
      ...["8.8.8.8:53", "[8.8.8.8", "g::1", "1.1.1.1\n"],
    ]
  ) assertFalse(isPublicAddress(text), JSON.stringify(text));
});

Deno.test("a range holds the addresses below its prefix and no others", () => {
  const rows: [string, string, boolean][] = [
    ["10.1.2.3", "10.0.0.0/8", true],
    ["11.0.0.0", "10.0.0.0/8", false],
    ["10.1.2.3", "10.1.2.3", true],
    ["10.1.2.4", "10.1.2.3", false],
    ["1.2.3.4", "0.0.0.0/0", true],
    ["::1", "0.0.0.0/0", false],
    ["1.2.3.4", "::/0", false],
    ["2001:db8::5", "2001:db8::/32", true],
    ["2001:db9::5", "2001:db8::/32", false],
    ["::1", "::1", true],
    ["::1", "::1/128", true],
    ["fe80::1%eth0", "fe80::/10", true],
    ["[fd00::7]", "fd00::/8", true],
    ["192.168.1.130", "192.168.1.128/25", true],
    ["192.168.1.127", "192.168.1.128/25", false],
    ["10.9.9.9", "10.1.2.3/8", true],
  ];
  for (const [address, cidr, expected] of rows) {
    assertEquals(isInCidrs(address, [cidr]), expected, `${address} in ${cidr}`);
  }
});

Deno.test("an IPv4-mapped peer matches an IPv4 range, and a mapped range an IPv4 peer", () => {
  assert(isInCidrs("::ffff:10.0.0.7", ["10.0.0.0/8"]));
  assert(isInCidrs("::ffff:a00:7", ["10.0.0.0/8"]));
  assertFalse(isInCidrs("::ffff:11.0.0.7", ["10.0.0.0/8"]));
  assert(isInCidrs("10.0.0.7", ["::ffff:10.0.0.0/104"]));
  assertFalse(isInCidrs("11.0.0.7", ["::ffff:10.0.0.0/104"]));
});

Deno.test("what is no address lies in no range, and what is no range holds none", () => {
  for (const address of ["", "unix", "localhost", "10.1", "0x0a.0.0.1"]) {
    assertFalse(isInCidrs(address, ["0.0.0.0/0", "::/0"]), address);
  }
  assertFalse(isInCidrs("10.0.0.1", []));
  assertFalse(isInCidrs("10.0.0.1", ["10.0.0.0/33", "ten", "", "10.0.0.0/", "10.0.0.0/-1"]));
  assert(isInCidrs("10.0.0.1", ["nonsense", "10.0.0.0/24"]));
});

Deno.test("a CIDR is read in full or not at all", () => {
  for (const text of ["10.0.0.0/8", "10.0.0.1", "::/0", "fd00::/8", " 10.0.0.0/8 ", "[::1]"]) {
    assert(parseCidr(text) !== undefined, text);
  }
  for (
    const text of [
      ...["", "/8", "10/8", "10.0.0.0/33", "::/129", "10.0.0.0/8/8", "10.0.0.0/a", "*.example.com"],
      ...["10.0.0.0/ 8", "::ffff:0:0/95"],
    ]
  ) assert(parseCidr(text) === undefined, text);
  assertEquals(parseCidr("::ffff:10.0.0.0/104")?.prefixLength, 8);
});

Deno.test("one address has one text", () => {
  assertEquals(normalizeAddress("::ffff:1.2.3.4"), "1.2.3.4");
  assertEquals(normalizeAddress("[2001:DB8:0:0::1]"), "2001:db8::1");
  assertEquals(normalizeAddress("fe80::1%eth0"), "fe80::1");
  assertEquals(normalizeAddress("nowhere"), undefined);
});
