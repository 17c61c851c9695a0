"""GET /metrics, as the parser of Prometheus' own client for Python reads it, and by the rules of `promtool check metrics`."""

import re
import threading
import unittest
import urllib.error
import urllib.request

from harness import Example
from prometheus_client.parser import text_string_to_metric_families

# What `promtool check metrics` complains about, and what the format asks for.
UNITS = re.compile(r"_(milli|micro|nano)?seconds?_|_(kilo|mega|kibi|mebi)bytes|_(ms|us|ns|kb|mb)(_|$)")


def scrape(hub):
    with urllib.request.urlopen(hub.url + "/metrics", timeout=30) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        return list(text_string_to_metric_families(answer.read().decode()))


def value(families, name, **labels):
    samples = [sample for family in families for sample in family.samples]
    found = [sample.value for sample in samples if sample.name == name and sample.labels == labels]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def publish(hub, channel, data):
    request = urllib.request.Request(f"{hub.url}/channels/{channel}", data=data)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 201


class Metrics(unittest.TestCase):
    def serve(self, *options):
        hub = Example("hub", *options)
        self.addCleanup(hub.kill)
        return hub

    def test_every_family_keeps_the_rules(self):
        hub = self.serve()
        publish(hub, "a", b"x")
        families = scrape(hub)
        self.assertGreater(len(families), 15)
        names = [family.name for family in families]
        self.assertEqual(len(names), len(set(names)))
        for family in families:
            with self.subTest(family.name):
                self.assertTrue(family.documentation)
                self.assertIn(family.type, ("counter", "gauge", "histogram"))
                self.assertRegex(family.name, r"^barewire_[a-z_]+$")
                self.assertNotRegex(family.name.removesuffix("_seconds"), UNITS)
                for sample in family.samples:
                    if family.type == "counter":
                        self.assertTrue(sample.name.endswith("_total"), sample.name)
                    for label in sample.labels:
                        self.assertIn(label, ("way", "reason", "status", "version", "le"))

    def test_buckets_are_cumulative_and_the_last_is_the_count(self):
        hub = self.serve()
        for _ in range(20):
            publish(hub, "a", b"x")
        histograms = [family for family in scrape(hub) if family.type == "histogram"]
        self.assertEqual(len(histograms), 3)
        for family in histograms:
            with self.subTest(family.name):
                buckets = [
                    (float(sample.labels["le"]), sample.value)
                    for sample in family.samples
                    if sample.name.endswith("_bucket")
                ]
                self.assertEqual(buckets, sorted(buckets))
                counts = [count for _, count in buckets]
                self.assertEqual(counts, sorted(counts))
                self.assertEqual(buckets[-1][0], float("inf"))
                count = value([family], family.name + "_count")
                self.assertEqual(counts[-1], count)
                self.assertGreaterEqual(value([family], family.name + "_sum"), 0)

    def test_counters_grow_and_count_what_happened(self):
        for loops in ("1", "2"):
            with self.subTest(loops=loops):
                hub = self.serve("--loops", loops)
                threads = [threading.Thread(target=publish, args=(hub, "a", b"x")) for _ in range(8)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                with self.assertRaises(urllib.error.HTTPError):
                    urllib.request.urlopen(hub.url + "/nowhere", timeout=30)
                before = scrape(hub)
                self.assertEqual(value(before, "barewire_loops"), int(loops))
                self.assertEqual(value(before, "barewire_published_messages_total", way="post"), 8)
                self.assertEqual(value(before, "barewire_publish_delay_seconds_count"), 8)
                self.assertEqual(value(before, "barewire_refusals_total", status="404"), 1)
                after = scrape(hub)
                for family in after:
                    if family.type != "counter":
                        continue
                    for sample in family.samples:
                        earlier = [
                            old.value
                            for old_family in before
                            for old in old_family.samples
                            if (old.name, old.labels) == (sample.name, sample.labels)
                        ]
                        self.assertLessEqual(sum(earlier), sample.value, sample)


if __name__ == "__main__":
    unittest.main()
