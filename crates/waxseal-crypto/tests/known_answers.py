#!/usr/bin/env python3
"""Writes known_answers.json: format v1 worked a second time, from docs/format.md, without any of the Rust code.

    python3 -m venv target/venv
    target/venv/bin/pip install pynacl==1.6.2 argon2-cffi==25.1.0
    target/venv/bin/python crates/waxseal-crypto/tests/known_answers.py

HKDF is written out below from RFC 5869; XChaCha20-Poly1305 is libsodium's, through PyNaCl; Argon2id is the
reference implementation, through argon2-cffi. The output is the same on every run.

Conventions of the file: bytes are hex; a payload may instead be {"count": n}, the bytes 0, 1, ... 250, 0, 1, ...;
a sealed value may instead be {"sha256": hex}. A `reason` is the Debug form of waxseal_crypto::Reason.
"""

import base64
import hashlib
import hmac
import json
import pathlib

from argon2.low_level import Type, hash_secret_raw
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt as xchacha_seal

U32 = 2**32 - 1
U64 = 2**64 - 1


# --- docs/format.md, section "Keys" ---

def hkdf_extract(salt, ikm):
    return hmac.digest(salt, ikm, "sha256")


def hkdf_expand(prk, info, length):
    out, block = b"", b""
    while len(out) < length:
        block = hmac.digest(prk, block + info + bytes([len(out) // 32 + 1]), "sha256")
        out += block
    return out[:length]


def sha256(data):
    return hashlib.sha256(data).digest()


def len16(text):
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def prk(root):
    return hkdf_extract(b"waxseal/v1", root)


def kid(root):
    return hkdf_expand(prk(root), b"kid", 4)


def labelled_key(kind, root, context):
    info = kind + len16(context["purpose"]) + len16(context["name"]) + len16(context["audience"])
    return hkdf_expand(prk(root), info, 32)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def key_text(root):
    return "waxseal1_" + b64(root + sha256(b"waxseal/secret/v1" + root)[:4])


def passphrase_root(text, app):
    salt = sha256(b"waxseal/passphrase/v1" + len16(app))[:16]
    return hash_secret_raw(text.encode(), salt, time_cost=3, memory_cost=65536, parallelism=4, hash_len=32,
                           type=Type.ID, version=0x13)


# --- docs/format.md, section "Sealed bytes" ---

def inner_part(times, payload):
    created, now, idle, absolute = times
    head = created.to_bytes(8, "big") + (max(now, created) - created).to_bytes(4, "big")
    data = head + idle.to_bytes(4, "big") + absolute.to_bytes(4, "big") + payload + b"\x80"
    return data + bytes(-len(data) % 64)


def seal(root, context, bound, nonce, inner, version=1, key_id=None, commitment=None, cipher_key=None):
    """Seals an inner part as the format says, unless told to get one part wrong."""
    key = cipher_key or labelled_key(b"seal", root, context)
    if commitment is None:
        commitment = labelled_key(b"commit", root, context)
    head = bytes([version]) + (kid(root) if key_id is None else key_id) + commitment
    return head + nonce + xchacha_seal(inner, head + bound, nonce, key)


# --- docs/format.md, section "Signed tokens" ---

def token(root, context, payload, minted, version=2, key_id=None, key=None):
    """Signs a token as the format says, unless told to get one part wrong."""
    head = bytes([version]) + (kid(root) if key_id is None else key_id) + minted.to_bytes(4, "big")
    key = key or labelled_key(b"mac", root, context)
    return head + payload + hmac.digest(key, head + payload, "sha256")[:16]


# --- the cases ---

ROOT = bytes(range(32))
OTHER = sha256(b"another root")
TWINS = [sha256(n.to_bytes(4, "big")) for n in (8634, 66539)]
CREATED, SEALED, IDLE, ABSOLUTE = 1789999900, 1789999990, 1800, 43200
TIMES = (CREATED, SEALED, IDLE, ABSOLUTE)
COOKIE = dict(purpose="session", name="__Host-session", audience="")
RECORD = dict(purpose="record", name="", audience="demo")
NO_LIMITS = dict(idle=U32, absolute=U32)


def nonce_of(case):
    return sha256(b"nonce of " + case.encode())[:24]


def counted(count):
    return bytes(i % 251 for i in range(count))


def payload_json(payload):
    return payload.hex() if len(payload) <= 128 else {"count": len(payload)}


def ring_json(ring):
    return [root.hex() for root in ring]


def sealed_json(form, sealed):
    if form == "text":
        return b64(sealed)
    return sealed.hex() if len(sealed) <= 4096 else {"sha256": sha256(sealed).hex()}


def sealed_case(case, form, payload, ring=(ROOT,), context=None, bound=b"", times=TIMES, nonce=None, at=SEALED):
    """A payload that the ring's first key seals to exactly this, and that opens again."""
    context = context or (COOKIE if form == "text" else RECORD)
    nonce = nonce or nonce_of(case)
    sealed = seal(ring[0], context, bound, nonce, inner_part(times, payload))
    if form == "text":
        assert len(context["name"].encode()) + len(b64(sealed)) <= 4096, case
    assert payload == counted(len(payload)) or len(payload) <= 128, case
    return dict(case=case, form=form, ring=ring_json(ring), context=context, bound=bound.hex(),
                times=dict(zip(("created", "now", "idle", "absolute"), times)), nonce=nonce.hex(),
                payload=payload_json(payload), sealed=sealed_json(form, sealed), at=at)


def sealed_cases():
    bound = sha256(ROOT) + (7).to_bytes(8, "big") + bytes(range(8))
    yield sealed_case("printed: user id", "text", b'{"user_id":42}',
                      nonce=bytes.fromhex("e3a67b5bc1254cd5b203a2e12561e088a6d4b4219afadaa6"))
    yield sealed_case("printed: Japanese", "text", "日本語🦀".encode(),
                      nonce=bytes.fromhex("a8293c4fc7af85cacf9fa7cea8cfcfb5d88cd98fa75d1e41"))
    yield sealed_case("printed: record", "binary", b"record", bound=bound, nonce=bytes(range(100, 124)),
                      times=(CREATED, SEALED, U32, ABSOLUTE))
    for size in (0, 1, 42, 43, 44, 63, 64, 65, 100, 2923):
        yield sealed_case(f"text of {size} bytes", "text", counted(size))
    for size in (0, 1, 42, 43, 44, 63, 64, 65, 100, 107, 108, 60 * 1024, 2**20 - 149):
        yield sealed_case(f"binary of {size} bytes", "binary", counted(size), bound=bound)
    for name, size in ((0, 2923), (68, 2923), (69, 2859), (255, 2731)):
        yield sealed_case(f"largest text beside a name of {name} bytes", "text", counted(size),
                          context=dict(COOKIE, name="n" * name))
    for size in (0, 1, 48, 64):
        yield sealed_case(f"bound of {size} bytes", "binary", b"payload", bound=counted(size))
    for name, payload in (("marks", b"\x80\x80\x80"), ("zeros", bytes(50)), ("a mark and zeros", b"\x80" + bytes(60))):
        yield sealed_case(f"payload of {name}", "text", payload)
    for case, context in (
        ("no name", dict(COOKIE, name="")),
        ("audience", dict(COOKIE, audience="wizard")),
        ("development name", dict(COOKIE, name="waxseal-dev-session")),
        ("upper case", dict(COOKIE, name="__HOST-SESSION", audience="WIZARD")),
        ("Unicode", dict(purpose="Zauber✨", name="_Käse", audience="魔法使い🧙")),
        ("empty purpose", dict(purpose="", name="", audience="")),
        ("the same letters elsewhere", dict(purpose="sessio", name="n__Host-session", audience="")),
        ("longest parts", dict(purpose="p" * 255, name="n" * 255, audience="ü" * 127 + "a")),
        ("store", dict(COOKIE, purpose="session/store", audience="demo")),
        ("mirrored", dict(COOKIE, purpose="session/mirrored", audience="demo")),
    ):
        yield sealed_case(f"context: {case}", "text", b"payload", context=context)
    for case, times, at in (
        ("the beginning", (0, 0, 1, 1), 0),
        ("clock gone back", (CREATED, CREATED - 50, IDLE, ABSOLUTE), CREATED),
        ("longest offset", (5, 5 + U32, U32, U32), 4 + U32),
        ("no idle time", (CREATED, SEALED, U32, ABSOLUTE), SEALED),
        ("nothing but long spans", (CREATED, SEALED, U32, U32), CREATED + U32 - 1),
        ("the end", (U64, U64, U32, U32), U64 - 1),
        ("near the end", (U64 - 100, U64 - 50, U32, U32), U64 - 1),
    ):
        yield sealed_case(f"times: {case}", "text", b"payload", times=times, at=at)


def opened_cases():
    """Values that open although not as they were just sealed: other keys, exact seconds, tighter limits."""
    def case(name, ring, key, form="text", at=SEALED, limits=NO_LIMITS, times=TIMES):
        context = COOKIE if form == "text" else RECORD
        sealed = seal(key, context, b"", nonce_of(name), inner_part(times, b"payload"))
        return dict(case=name, form=form, ring=ring_json(ring), context=context, bound="", at=at, limits=limits,
                    sealed=sealed_json(form, sealed), payload=b"payload".hex(), key=kid(key).hex(),
                    needs_reseal=key != ring[0])

    many = [sha256(bytes([n])) for n in range(16)]
    assert kid(TWINS[0]) == kid(TWINS[1])
    yield case("first of two keys", [ROOT, OTHER], ROOT)
    yield case("second of two keys", [OTHER, ROOT], ROOT)
    yield case("last of sixteen keys", many, many[15], form="binary")
    for order, ring in (("first", TWINS), ("second", TWINS[::-1])):
        for form in ("text", "binary"):
            yield case(f"key whose id is shared, {order}, {form}", ring, TWINS[0], form=form)
    yield case("shared id behind another key", [ROOT, TWINS[1], TWINS[0]], TWINS[0])
    yield case("60 seconds in the future", [ROOT], ROOT, at=SEALED - 60)
    yield case("last second of idle", [ROOT], ROOT, at=SEALED + IDLE - 1)
    yield case("last second of absolute", [ROOT], ROOT, at=CREATED + ABSOLUTE - 1,
               times=(CREATED, SEALED, ABSOLUTE, ABSOLUTE))
    yield case("last second of the server's idle", [ROOT], ROOT, at=SEALED + 9, limits=dict(idle=10, absolute=U32))
    yield case("last second of the server's absolute", [ROOT], ROOT, at=CREATED + 99,
               limits=dict(idle=U32, absolute=100))


def flip(data, at, bit=1):
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1:]


def refused_cases():
    def case(name, reason, sealed, form="binary", ring=(ROOT,), context=RECORD, bound=b"", at=SEALED, limits=NO_LIMITS):
        return dict(case=name, form=form, ring=ring_json(ring), context=context, bound=bound.hex(), at=at,
                    limits=limits, sealed=sealed if form == "text" else sealed.hex(), reason=reason)

    def text(name, reason, value, **rest):
        return case(name, reason, value, form="text", context=COOKIE, **rest)

    def value(name, payload=b"payload", times=TIMES, context=RECORD, bound=b"", root=ROOT, **wrong):
        return seal(root, context, bound, nonce_of(name), inner_part(times, payload), **wrong)

    def inner(name, reason, data, **rest):
        return case(name, reason, seal(ROOT, RECORD, b"", nonce_of(name), data), **rest)

    good = value("good")
    spelled = b64(seal(ROOT, COOKIE, b"", nonce_of("spelled"), inner_part(TIMES, b"payload")))
    assert len(spelled) == 188

    # 1. size, and the one spelling. 141 bytes are 188 characters and leave no bits over; 205 bytes leave two.
    loose = b64(seal(ROOT, COOKIE, b"", nonce_of("loose"), inner_part(TIMES, bytes(50))))
    assert len(loose) == 274 and loose[-1] in "AEIMQUYcgkosw048"
    stray = loose[:-1] + chr(ord(loose[-1]) + 1)
    yield text("one byte too long, whatever it says", "TooLong", " " * 4083)
    yield text("as long as may be, but spaces", "Alphabet", " " * 4082)
    yield text("a lonely character", "Alphabet", spelled + "A")
    yield text("stray bit in the last character", "Alphabet", stray)
    yield text("padding", "Alphabet", loose + "==")
    yield text("a space before", "Alphabet", " " + spelled)
    yield text("a line end behind", "Alphabet", spelled + "\n")
    yield text("the other alphabet", "Alphabet", "+/" + spelled[2:])
    yield text("a letter that is not ASCII", "Alphabet", "é" + spelled[2:])
    yield text("alphabet before length", "Alphabet", "!")
    # 2. length
    yield text("no text", "Length", "")
    yield text("text of a byte more", "Length", b64(good + b"\0"))
    for length in (0, 1, 76, 77, 140):
        yield case(f"first {length} bytes", "Length", good[:length])
    yield case("a byte more", "Length", good + b"\0")
    yield case("63 bytes more", "Length", good + bytes(63))
    yield case("length before version", "Length", b"\x02" + good[1:-1])
    # 3. version
    for version in (0, 2, 255):
        yield case(f"version {version}", f"Version({version})", value(f"version {version}", version=version))
    yield case("version before key", "Version(2)", value("version before key", root=OTHER, version=2))
    # 4. key
    yield case("unknown key", f"UnknownKey({kid(OTHER).hex()})", value("unknown key", root=OTHER))
    yield case("key id altered", f"UnknownKey({flip(kid(ROOT), 0).hex()})", flip(good, 1))
    yield case("key before commitment", f"UnknownKey({kid(OTHER).hex()})", flip(value("first key", root=OTHER), 20))
    # 5. commitment
    yield case("commitment altered", "Commitment", flip(good, 5))
    yield case("last bit of the commitment", "Commitment", flip(good, 36, 0x80))
    yield case("commitment of zeros, tag valid", "Commitment", value("zeros", commitment=bytes(32)))
    yield case("commitment before tag", "Commitment", flip(flip(good, 5), 140))
    yield case("another context's, ciphertext damaged", "Commitment",
               flip(value("context", context=dict(RECORD, purpose="session")), 61))
    yield case("another key's of this id, ciphertext damaged", "Commitment",
               flip(value("twin's", root=TWINS[1]), 61), ring=TWINS[:1])
    yield case("id of another key in the ring", "Commitment", value("id", key_id=kid(OTHER)), ring=(ROOT, OTHER))
    yield case("a shared id, neither key", "Commitment", value("twin", key_id=kid(TWINS[0])), ring=TWINS)
    for name, context in (("another purpose", dict(RECORD, purpose="Record")), ("a name", dict(RECORD, name="x")),
                          ("another audience", dict(RECORD, audience="Demo")),
                          ("the same letters elsewhere", dict(purpose="recor", name="d", audience="demo"))):
        yield case(name, "Commitment", good, context=context)
    yield case("bound of 65 bytes", "BoundTooLong(65)", good, bound=bytes(65))
    # 6. tag
    yield case("bound where none was", "Tag", good, bound=b"\0")
    yield case("another bound", "Tag", value("bound", bound=b"row 7"), bound=b"row 8")
    yield case("no bound where one was", "Tag", value("no bound", bound=b"row 7"))
    yield case("nonce altered", "Tag", flip(good, 37))
    yield case("last bit of the nonce", "Tag", flip(good, 60, 0x80))
    yield case("tag altered", "Tag", flip(good, 140))
    yield case("first bit of the tag", "Tag", flip(good, 125, 0x80))
    yield case("ciphertext altered", "Tag", flip(good, 61))
    yield case("a step cut out", "Tag", value("cut", payload=bytes(64))[:77] + value("cut", payload=bytes(64))[141:])
    yield case("tag of another key", "Tag", value("other tag", cipher_key=OTHER))
    yield case("tag of another version", "Tag", b"\x01" + value("tag of version 2", version=2)[1:])
    # The commitment is the second twin's, the cipher key the first's: what agrees is final.
    yield case("commitment of one twin, tag of the other", "Tag",
               value("mixed", root=TWINS[1], cipher_key=labelled_key(b"seal", TWINS[0], RECORD)), ring=TWINS)
    # 7. padding, sealed by the right key
    head = inner_part(TIMES, b"")[:20]
    yield inner("64 zeros", "Padding", head + bytes(43) + b"\x80" + bytes(64))
    yield inner("a step of zeros too many", "Padding", head + b"\x80" + bytes(107))
    yield inner("no mark", "Padding", head + b"x" * 44)
    yield inner("another mark", "Padding", head + b"payload\x81" + bytes(36))
    yield inner("a mark of 0x01", "Padding", head + b"payload\x01" + bytes(36))
    yield inner("nothing but zeros", "Padding", bytes(64))
    yield inner("the mark inside the times", "Padding", head[:19] + b"\x80" + bytes(44))
    yield inner("times that end in a mark", "Padding", (0).to_bytes(16, "big") + b"\0\0\0\x80" + bytes(44))
    yield inner("padding before times", "Padding", bytes(63) + b"\x01", at=SEALED)
    # 8. times
    times = value("times")
    equal = value("equal", times=(CREATED, CREATED, 100, 100))
    brief = value("brief", times=(CREATED, SEALED, ABSOLUTE, ABSOLUTE))
    yield case("61 seconds in the future", "Future", times, at=SEALED - 61)
    yield case("future before idle", "Future", value("no time", times=(CREATED, SEALED, 0, 0)), at=SEALED - 61)
    yield case("idle end", "Idle", times, at=SEALED + IDLE)
    yield case("idle before absolute", "Idle", equal, at=CREATED + 100)
    yield case("absolute end", "Absolute", brief, at=CREATED + ABSOLUTE)
    yield case("the server's idle end", "Idle", times, at=SEALED + 10, limits=dict(idle=10, absolute=U32))
    yield case("the server's absolute end", "Absolute", times, at=CREATED + 100, limits=dict(idle=U32, absolute=100))
    yield case("longer limits do not lengthen", "Idle", times, at=SEALED + IDLE,
               limits=dict(idle=IDLE + 1, absolute=ABSOLUTE))
    yield case("no idle time at all", "Idle", value("none", times=(CREATED, SEALED, 0, ABSOLUTE)))
    yield case("no absolute time at all", "Absolute", value("none", times=(CREATED, SEALED, IDLE, 0)))
    yield case("sums that saturate", "Idle", value("sums", times=(U64, U64, U32, U32)), at=U64)
    # created plus the offset saturates as well: sealed is then the last second there is.
    wrap = inner_part((U64, U64, U32, U32), b"payload")
    wrap = wrap[:8] + U32.to_bytes(4, "big") + wrap[12:]
    yield inner("an offset that would wrap", "Future", wrap)


def key_cases():
    for root in (ROOT, OTHER, *TWINS, bytes(32), b"\xff" * 32):
        yield dict(root=root.hex(), kid=kid(root).hex(), text=key_text(root))


def refused_key_texts():
    good = key_text(ROOT)
    yield "waxseal1_"
    yield good[:-1]
    yield good + "A"
    yield good + "\n"
    yield good + "="
    yield good[:9] + " " + good[9:]
    yield good[:20] + "+" + good[21:]
    yield good[:9] + b64(ROOT + bytes(4))
    yield good[:9] + b64(bytes([1]) + ROOT[1:] + sha256(b"waxseal/secret/v1" + ROOT)[:4])
    yield good[:9] + b64(ROOT + sha256(b"waxseal/secret/v2" + ROOT)[:4])


def passphrase_cases():
    # The umlaut twice: one letter, and a letter with a mark. They look alike and are different passphrases.
    for text, app in (("dev", "demo"), (" Dev\t\n", "demo"), ("Zauberei für Anf\u00e4nger 🧙", "魔法"),
                      ("Zauberei für Anfa\u0308nger 🧙", "魔法"), ("waxseal1", "")):
        root = passphrase_root(text, app)
        yield dict(text=text, app=app, root=root.hex(), kid=kid(root).hex())


def mac_cases():
    csrf = dict(purpose="csrf", name="", audience="demo")
    for context in (csrf, dict(csrf, name="__Host-session"), dict(csrf, audience="")):
        for message in (b"", b"message", counted(64), counted(100)):
            tag = hmac.digest(labelled_key(b"mac", ROOT, context), message, "sha256")
            yield dict(root=ROOT.hex(), context=context, message=message.hex(), tag=tag.hex())


def derived_cases():
    for context in (COOKIE, RECORD):
        yield dict(root=ROOT.hex(), prk=prk(ROOT).hex(), context=context,
                   seal_key=labelled_key(b"seal", ROOT, context).hex(),
                   commitment=labelled_key(b"commit", ROOT, context).hex())


STORE = dict(purpose="session/store", name="__Host-session", audience="demo")


def signed_cases():
    """A payload that the ring's first key signs to exactly this, and that opens again."""
    def case(name, payload, context=STORE, minted=SEALED, ring=(ROOT,)):
        return dict(case=name, ring=ring_json(ring), context=context, payload=payload.hex(), minted=minted,
                    token=b64(token(ring[0], context, payload, minted)))

    yield case("printed", bytes(range(32)))
    yield case("no payload", b"")
    yield case("16 bytes", counted(16))
    yield case("20 bytes, which leave bits over", counted(20))
    yield case("64 bytes", counted(64))
    yield case("the beginning", bytes(32), minted=0)
    yield case("the last second", b"\xff" * 32, minted=U32)
    yield case("Unicode, two keys", bytes(32), dict(purpose="Zauber✨", name="_Käse", audience="魔法使い🧙"),
               ring=(OTHER, ROOT))


def signed_opened_cases():
    """Tokens of 32 bytes that open, and tokens that are refused for the first reason there is."""
    def case(name, text, reason=None, ring=(ROOT,), context=STORE, at=SEALED, lifetime=U32, root=ROOT):
        result = dict(reason=reason) if reason else dict(payload=bytes(range(32)).hex(), needs_reseal=root != ring[0])
        return dict(case=name, ring=ring_json(ring), context=context, at=at, lifetime=lifetime, token=text, **result)

    def value(root=ROOT, context=STORE, minted=SEALED, payload=bytes(range(32)), **wrong):
        return b64(token(root, context, payload, minted, **wrong))

    def bits(at, bit=1):
        return b64(flip(token(ROOT, STORE, bytes(range(32)), SEALED), at, bit))

    good = value()
    assert len(good) == 76
    yield case("second of two keys", good, ring=(OTHER, ROOT))
    for order, ring in (("first", TWINS), ("second", TWINS[::-1])):
        yield case(f"key whose id is shared, {order}", value(TWINS[0]), ring=ring, root=TWINS[0])
    yield case("60 seconds in the future", good, at=SEALED - 60)
    yield case("last second", good, at=SEALED + 99, lifetime=100)
    # 1. length
    for name, text in (("nothing", ""), ("a character less", good[:-1]), ("a character more", good + "A"),
                       ("padding", good + "="), ("a space before", " " + good), ("31 bytes", value(payload=bytes(31))),
                       ("a sealed value", b64(seal(ROOT, STORE, b"", nonce_of("sealed"), inner_part(TIMES, bytes(32)))))):
        yield case(name, text, "Length")
    # 2. the one spelling
    yield case("the other alphabet", "+/" + good[2:], "Alphabet")
    yield case("a line end", good[:-1] + "\n", "Alphabet")
    # 3. version
    for version in (0, 1, 3):
        yield case(f"version {version}", value(version=version), f"Version({version})")
    yield case("version before key", value(OTHER, version=1), "Version(1)")
    # 4. key
    yield case("unknown key", value(OTHER), f"UnknownKey({kid(OTHER).hex()})")
    yield case("key id altered", bits(1), f"UnknownKey({flip(kid(ROOT), 0).hex()})")
    yield case("key before MAC", b64(flip(token(OTHER, STORE, bytes(32), SEALED), 56)), f"UnknownKey({kid(OTHER).hex()})")
    # 5. MAC
    yield case("minted altered", bits(8), "Mac")
    yield case("payload altered", bits(9), "Mac")
    yield case("first bit of the MAC", bits(41, 0x80), "Mac")
    yield case("last bit of the MAC", bits(56), "Mac")
    yield case("id of another key in the ring", value(key_id=kid(OTHER)), "Mac", ring=(ROOT, OTHER))
    for name, context in (("another purpose", dict(STORE, purpose="session")), ("another name", dict(STORE, name="session")),
                          ("another app", dict(STORE, audience="wizard"))):
        yield case(name, good, "Mac", context=context)
    yield case("MAC before times", bits(56), "Mac", at=SEALED - 61)
    # 6. times
    yield case("61 seconds in the future", good, "Future", at=SEALED - 61)
    yield case("the end", good, "Absolute", at=SEALED + 100, lifetime=100)
    yield case("future before the end", good, "Future", at=SEALED - 61, lifetime=0)


def main():
    answers = dict(
        about="Made by known_answers.py from docs/format.md, independently of the Rust code. Do not edit.",
        keys=list(key_cases()),
        refused_key_texts=list(refused_key_texts()),
        passphrases=list(passphrase_cases()),
        derived=list(derived_cases()),
        macs=list(mac_cases()),
        signed=list(signed_cases()),
        signed_opened=list(signed_opened_cases()),
        sealed=list(sealed_cases()),
        opened=list(opened_cases()),
        refused=list(refused_cases()),
    )
    lines = []
    for section, cases in answers.items():
        if isinstance(cases, str):
            lines.append(f'  "{section}": {json.dumps(cases)}')
        else:
            rows = ",\n".join("    " + json.dumps(case, ensure_ascii=False) for case in cases)
            lines.append(f'  "{section}": [\n{rows}\n  ]')
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    print(f"{path.name}:", ", ".join(f"{len(v)} {k}" for k, v in answers.items() if not isinstance(v, str)))


if __name__ == "__main__":
    main()
