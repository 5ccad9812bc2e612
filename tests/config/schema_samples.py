"""Validates samples against config/inod.schema.json with python3-jsonschema; 77 (skip) without it.

The parser in C++ and the schema are compared key by key in schema_test.cc; this shows that a
validator that we did not write reads the schema as we mean it.
"""
import json
import pathlib
import sys

try:
    from jsonschema import Draft202012Validator
except ImportError:
    print("python3-jsonschema (4 or newer) is not installed: skipped")
    sys.exit(77)

directory = pathlib.Path(sys.argv[1])
schema = json.loads((directory / "inod.schema.json").read_text())
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema)


def pool(**members):
    return {"pools": [{"name": "a", **members}]}


sound = [
    json.loads((directory / "inod.json").read_text()),
    {},
    pool(policy="cyclic", min=0, max=2**64 - 1, grants=[{"uid": 1}, {"everyone": True}]),
    {"journal": {"segment_size": 65536}, "socket_mode": "0600", "log_level": "warn"},
    {"state_dir": "/srv/ids", "witness_dir": "/srv/witness"},
    pool(policy="lowest", align=2**32, quarantine=60, quarantine_yields=True, tracking=True),
    pool(policy="cyclic", wrap_to=2**64 - 1, reserved=[{"first": 0, "last": 2**64 - 1}]),
    pool(grants=[{"gid": 1, "rights": ["administer"]}, {"uid": 1, "rights": ["lookup", "list"]}]),
    pool(limits=[{"uid": 0, "ids": 0}, {"everyone": True, "ids": 2**64 - 1, "leases": 1}]),
    {"user_limits": [{"uid": 1, "connections": 1, "holders": 2}, {"everyone": True, "tokens": 0}]},
    {"token_keep": 1, "token_count_max": 0, "restart_grace": 0, "holders_max": 1},
    {"poll_us": 1_000},
    {"threads": 64},
]
refused = [
    [],
    {"Pools": []},
    {"pools": [{}]},
    {"pools": [{"name": "-a"}]},
    pool(min=-1),
    pool(max=2**64),
    pool(max=1.5),
    pool(policy="uniq"),
    pool(grants=[{}]),
    pool(grants=[{"uid": 1, "gid": 1}]),
    pool(grants=[{"everyone": False}]),
    pool(grants=[{"uid": 1, "rights": []}]),
    pool(grants=[{"uid": 1, "rights": ["own"]}]),
    pool(grants=[{"uid": 1, "rights": "list"}]),
    pool(grants=[{"rights": ["list"]}]),
    pool(align=0),
    pool(tracking=1),
    pool(quarantine=31_536_001),
    pool(reserved=[{"first": 1}]),
    pool(reserved=[{"first": 1, "last": 2}] * 65),
    pool(limits=[{"ids": 1}]),
    pool(limits=[{"uid": 1, "everyone": True}]),
    pool(limits=[{"uid": 1, "connections": 1}]),
    {"user_limits": [{"gid": 1}]},
    {"user_limits": [{"uid": 1, "connections": 2**32}]},
    {"token_keep": 0},
    {"restart_grace": 86_401},
    {"poll_us": 1_001},
    {"threads": 0},
    {"threads": 65},
    {"holders_max": 0},
    {"journal": {"segment_size": 65537}},
    {"socket_mode": 438},
    {"state_dir": "relative"},
    {"witness_dir": "relative"},
    {"witness_dir": None},
    {"socket": "/" + "s" * 107},
]

wrong = [("refuses", s) for s in sound if not validator.is_valid(s)]
wrong += [("accepts", s) for s in refused if validator.is_valid(s)]
for what, sample in wrong:
    print(f"the schema {what} {json.dumps(sample)}")
sys.exit(1 if wrong else 0)
