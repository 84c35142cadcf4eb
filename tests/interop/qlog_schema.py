"""What a qlog of ours may hold: the part that we write of the drafts' schemas (draft-ietf-quic-qlog-main-schema, -quic-events and
-h3-events), in our own words as CDDL (RFC 8610), and apart from it what we add (docs/trace.md). It is stricter than theirs: those allow the
data of any event under the name of any other. PyPI's pycddl checks it; cbor2 makes CBOR of the JSON, which is what it reads.

As a program it looks at the files that it is given, prints how often each event is there, and ends with status 1 where one is not as it should
be; files of other programs are left out. It is run by fixtures.check_qlogs().

Where SALLYPORT_QLOG_DRAFTS names a folder with the drafts' sources or texts, the CDDL in them is what is checked by, too."""

import json
import os
import re
import sys
from pathlib import Path

import cbor2
import pycddl

OUR_SCHEMA = "urn:uuid:28c62570-ef49-4244-aeb4-eeced2a2f364"

# A rule must not be called as a member is: pycddl 0.6 takes the member's name for the rule.
COMMON = r"""
hex = text .regexp "([0-9a-f]{2})*"
sizes = { ? length: uint, ? payload_length: uint, ? data: hex }
side = "local" / "remote"
endpoint = { ? ip_v4: text, ? port_v4: uint .size 2, ? ip_v6: text, ? port_v6: uint .size 2 }
quic_version = text .regexp "[0-9a-f]{8}"
type_of_packet = "initial" / "handshake" / "0RTT" / "1RTT" / "retry" / "version_negotiation" / "stateless_reset" / "unknown"
address_token = { ? type: "retry" / "resumption", ? raw: sizes }
hidden_reset_token = "0000000000000000"
connection_state = "attempted" / "handshake_started" / "handshake_complete" / "handshake_confirmed" / "closing" / "draining" / "closed"
transport_error = "no_error" / "internal_error" / "connection_refused" / "flow_control_error" / "stream_limit_error" / "stream_state_error" /
  "final_size_error" / "frame_encoding_error" / "transport_parameter_error" / "connection_id_limit_error" / "protocol_violation" /
  "invalid_token" / "application_error" / "crypto_buffer_exceeded" / "key_update_error" / "aead_limit_reached" / "no_viable_path" /
  "unknown" / text .regexp "crypto_error_0x1[0-9a-f][0-9a-f]"
http_error = "http_no_error" / "http_general_protocol_error" / "http_internal_error" / "http_stream_creation_error" /
  "http_closed_critical_stream" / "http_frame_unexpected" / "http_frame_error" / "http_excessive_load" / "http_id_error" /
  "http_settings_error" / "http_missing_settings" / "http_request_rejected" / "http_request_cancelled" / "http_request_incomplete" /
  "http_connect_error" / "http_version_fallback" / "unknown"
packet_header = { packet_type: type_of_packet, ? packet_number: uint, ? key_phase_bit: bool, ? token: address_token, ? version: quic_version,
  ? scil: uint .size 1, ? dcil: uint .size 1, ? scid: hex, ? dcid: hex }
way = "unidirectional" / "bidirectional"
range = [1*2 uint]
preferred = { ip_v4: text, port_v4: uint .size 2, ip_v6: text, port_v6: uint .size 2, connection_id: hex,
  stateless_reset_token: hidden_reset_token }
unknown_parameter = { id: uint, ? value: hex }
field = { ? name: text, ? name_bytes: hex, ? value: text, ? value_bytes: hex }
setting_name = "settings_qpack_max_table_capacity" / "settings_max_field_section_size" / "settings_qpack_blocked_streams" /
  "settings_enable_connect_protocol" / "settings_h3_datagram" / "reserved" / "unknown"
setting = { ? name: setting_name, ? name_bytes: uint, value: uint }
alpn = { ? byte_value: hex, ? string_value: text }
clock = { clock_type: "monotonic", epoch: "unknown", ? wall_clock_time: text }
"""

_PACKET = "header: packet_header, ? raw: sizes, ? supported_versions: [+ quic_version]"
_STREAM = "stream_id: uint"
_ERROR = "error: http_error, ? error_code: uint"
_CLOSED = """? initiator: side, ? connection_error: transport_error, ? application_error: http_error, ? error_code: uint, ? reason: text,
  ? trigger: "idle_timeout" / "application" / "error" / "version_mismatch" / "stateless_reset" / "aborted" / "unspecified" """
_PARAMETERS = "? initiator: side, ? disable_active_migration: bool, ? grease_quic_bit: bool, ? preferred_address: preferred, " \
    "? stateless_reset_token: hidden_reset_token, ? unknown_parameters: [* unknown_parameter]" + "".join(
        f", ? {name}: uint" for name in (
            "max_idle_timeout", "max_udp_payload_size", "ack_delay_exponent", "max_ack_delay", "active_connection_id_limit", "initial_max_data",
            "initial_max_stream_data_bidi_local", "initial_max_stream_data_bidi_remote", "initial_max_stream_data_uni",
            "initial_max_streams_bidi", "initial_max_streams_uni", "max_datagram_frame_size")) + "".join(
        f", ? {name}: hex" for name in ("original_destination_connection_id", "initial_source_connection_id", "retry_source_connection_id"))

# Event -> its data; frames, which stand in lists or fields of alternatives, are looked at one by one (FRAMES, HTTP_FRAMES).
EVENTS = {
    "quic:connection_started": "local: endpoint, remote: endpoint",
    "quic:connection_closed": _CLOSED,
    "quic:connection_state_updated": "? old: connection_state, new: connection_state",
    "quic:tuple_assigned": "tuple_id: text, ? tuple_remote: endpoint, ? tuple_local: endpoint",
    "quic:mtu_updated": "? old: uint .size 4, new: uint .size 4",
    "quic:version_information": "chosen_version: quic_version",
    "quic:alpn_information": "chosen_alpn: alpn",
    "quic:parameters_set": _PARAMETERS,
    "quic:packet_sent": _PACKET + ", ? is_mtu_probe_packet: bool",
    "quic:packet_received": _PACKET,
    "quic:packet_dropped": 'header: packet_header, raw: sizes, ? details: { reason: text }, trigger: "rejected" / "decryption_failure"',
    "quic:packet_lost": 'header: packet_header, ? is_mtu_probe_packet: bool, ? trigger: "reordering_threshold" / "time_threshold"',
    "quic:udp_datagrams_sent": "? count: uint .size 2, ? raw: [+ sizes]",
    "quic:udp_datagrams_received": "? count: uint .size 2, ? raw: [+ sizes]",
    "quic:key_updated": 'key_type: "client_1rtt_secret" / "server_1rtt_secret", key_phase: uint, trigger: "remote_update" / "local_update"',
    "quic:congestion_state_updated": "? old: text, new: text",
    # Under its older name, for qvis; the data is the drafts'.
    "recovery:metrics_updated": "? min_rtt: float, ? smoothed_rtt: float, ? latest_rtt: float, ? rtt_variance: float, "
                                "? congestion_window: uint, ? bytes_in_flight: uint, ? ssthresh: uint",
    "http3:stream_type_set": '? initiator: side, stream_id: uint, stream_type: "control" / "push" / "reserved" / "unknown" / "qpack_encode" / '
                             '"qpack_decode", ? stream_type_bytes: uint',
    "http3:frame_created": _STREAM,
    "http3:frame_parsed": _STREAM,
    "http3:datagram_created": "quarter_stream_id: uint, ? raw: sizes",
    "http3:datagram_parsed": "quarter_stream_id: uint, ? raw: sizes",
    "http:capsule_created": _STREAM,
    "http:capsule_parsed": _STREAM,
    "loglevel:info": "message: text",
    "loglevel:warning": "? code: uint, ? message: text",
}
# Where an event has alternatives: the field they stand in, whether that is a list, and where they are described.
NESTED = {"quic:packet_sent": "frames", "quic:packet_received": "frames", "http3:frame_created": "frame", "http3:frame_parsed": "frame",
          "http:capsule_created": "capsule", "http:capsule_parsed": "capsule"}

FRAMES = {
    "padding": "? raw: sizes", "ping": "? raw: sizes", "handshake_done": "? raw: sizes", "datagram": "? raw: sizes",
    "ack": "? ack_delay: float, ? acked_ranges: [+ range], ? ect1: uint, ? ect0: uint, ? ce: uint",
    "reset_stream": f"{_STREAM}, {_ERROR}, final_size: uint", "stop_sending": f"{_STREAM}, {_ERROR}",
    "crypto": "offset: uint, raw: sizes", "new_token": "token: address_token",
    "stream": f"{_STREAM}, ? offset: uint, ? fin: bool, ? raw: sizes",
    "max_data": "maximum: uint", "max_stream_data": f"{_STREAM}, maximum: uint", "max_streams": "stream_type: way, maximum: uint",
    "data_blocked": "limit: uint", "stream_data_blocked": f"{_STREAM}, limit: uint", "streams_blocked": "stream_type: way, limit: uint",
    "new_connection_id": "sequence_number: uint, retire_prior_to: uint, ? connection_id_length: uint .size 1, connection_id: hex",
    "retire_connection_id": "sequence_number: uint", "path_challenge": "? data: hex", "path_response": "? data: hex",
    "connection_close": '? error_space: "transport" / "application", ? error: transport_error / http_error, ? error_code: uint, '
                        "? reason: text, ? reason_bytes: hex, ? trigger_frame_type: uint",
    "unknown": "frame_type_bytes: uint, ? raw: sizes",
}
HTTP_FRAMES = {
    "data": "? raw: sizes", "headers": "headers: [* field], ? raw: sizes", "settings": "settings: [* setting], ? raw: sizes",
    "cancel_push": "push_id: uint, ? raw: sizes", "goaway": "id: uint, ? raw: sizes", "max_push_id": "push_id: uint, ? raw: sizes",
    "priority_update": "? stream_id: uint, priority_field_value: text, ? raw: sizes",
    "reserved": "frame_type_bytes: uint, ? raw: sizes", "unknown": "frame_type_bytes: uint, ? raw: sizes",
}
CAPSULES = {"datagram": "? raw: sizes", "unknown": "? capsule_type_value: uint, ? raw: sizes"}

# What we add to them (docs/trace.md), most of it for qvis, which reads qlog 0.3.
ADDED = {
    "quic:connection_started": "src_ip: text, src_port: uint, dst_ip: text, dst_port: uint",
    "quic:connection_closed": "owner: side, ? reason_bytes: hex",
    "quic:parameters_set": "owner: side, ? version_information: [* quic_version], ? truncated: bool, ? encoded_length: uint",
    "quic:packet_sent": "? malformed_payload_bytes: uint", "quic:packet_received": "? malformed_payload_bytes: uint",
    "quic:udp_datagrams_sent": "byte_length: uint", "quic:udp_datagrams_received": "byte_length: uint",
    "http3:stream_type_set": "owner: side",
    "http3:frame_created": "length: uint, byte_length: uint", "http3:frame_parsed": "length: uint, byte_length: uint",
    "loglevel:warning": "? events_dropped: uint",
}
ADDED_TO_FRAMES = {kind: "length: uint" for kind in ("padding", "crypto", "stream", "datagram")}
ADDED_TO_ENDPOINTS = {"address_v4", "address_v6"}  # of the drafts before and after
ADDED_TO_HEADERS = {"qlog_version", "qlog_format"}

HEADER = """{ file_schema: "urn:ietf:params:qlog:file:sequential", serialization_format: "application/qlog+json-seq", ? title: text,
  trace: { ? title: text, vantage_point: { name: text, type: "client" / "server" }, event_schemas: [+ text],
    common_fields: { group_id: hex, ODCID: hex, protocol_type: [+ text], time_format: "relative_to_epoch", reference_time: clock } } }"""

REAL_NUMBERS = {"time", "ack_delay", "min_rtt", "smoothed_rtt", "latest_rtt", "rtt_variance"}


class Mismatch(Exception):
    """The file, the event, and what is wrong with it."""


def records(path):
    """The JSON of each record of a JSON-SEQ file. The last one may be cut, where its writer was killed."""
    return [json.loads(record) for record in path.read_text(encoding="utf-8").split("\x1e") if record.endswith("\n")]


def _as_typed(value, name=None):
    """JSON has one kind of number; CBOR has two."""
    if isinstance(value, dict):
        return {key: _as_typed(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_typed(item, name) for item in value]
    return float(value) if name in REAL_NUMBERS and not isinstance(value, bool) else value


def _shape(value):
    """The same with plainer numbers and digits, so that what differs in nothing else is looked at once."""
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value]
    if isinstance(value, str):
        return "0" * len(value) if re.fullmatch("[0-9a-f]{8,}", value) else value
    if isinstance(value, float):
        return 0.5
    return 1 << value.bit_length() >> 1 if isinstance(value, int) and not isinstance(value, bool) and value > 0 else value


def _without(value, names):
    return {key: item for key, item in value.items() if key not in names}


def _names(members):
    return set(re.findall(r"(\w+):", members))


class _Rules:
    """Compiled once each; what was found right needs no second look."""

    def __init__(self, common):
        self.common, self.schemas, self.passed = common, {}, set()

    def check(self, rule, value):
        encoded = cbor2.dumps(_shape(_as_typed(value)))
        if (rule, encoded) in self.passed:
            return
        if rule not in self.schemas:
            self.schemas[rule] = pycddl.Schema(f"root = {rule}\n{self.common}")
        self.schemas[rule].validate_cbor(encoded)
        self.passed.add((rule, encoded))


class OurWords:
    """The tables above."""

    def __init__(self):
        self.rules = _Rules(COMMON)

    def header(self, header):
        if {key: type(header.get(key)) for key in ADDED_TO_HEADERS} != dict.fromkeys(ADDED_TO_HEADERS, str):
            raise ValueError("the fields that qvis looks for are not there")
        if OUR_SCHEMA not in header["trace"]["event_schemas"]:
            raise ValueError("what we add is not among its event_schemas")
        self.rules.check(HEADER, _without(header, ADDED_TO_HEADERS))

    def event(self, event):
        if set(event) != {"time", "name", "category", "data"} or not isinstance(event["time"], (int, float)):
            raise ValueError("an event has other members")
        name, data = event["name"], dict(event["data"])
        if name not in EVENTS:
            raise ValueError("there is no such event")
        nested = data.pop(NESTED.get(name), [])
        for part in nested if isinstance(nested, list) else [nested]:
            self.part(name, part)
        for end in ("local", "remote", "tuple_local", "tuple_remote"):
            if end in data:
                data[end] = _without(data[end], ADDED_TO_ENDPOINTS)
        added = f", {ADDED[name]}" if name in ADDED else ""
        self.rules.check(f"{{ {EVENTS[name]}{added} }}", data)

    def part(self, name, part):
        kind_name = "capsule_type" if NESTED[name] == "capsule" else "frame_type"
        kind = part[kind_name]
        table = FRAMES if NESTED[name] == "frames" else HTTP_FRAMES if NESTED[name] == "frame" else CAPSULES
        if kind not in table:
            raise ValueError(f"there is no {kind_name} {kind}")
        added = f", {ADDED_TO_FRAMES[kind]}" if table is FRAMES and kind in ADDED_TO_FRAMES else ""
        self.rules.check(f'{{ {kind_name}: "{kind}", {table[kind]}{added} }}', part)


class Published:
    """The CDDL that stands in the drafts themselves. What we add is left out before; alternatives are looked at one by one, since pycddl 0.6
    takes no list of alternatives."""

    OTHER_NAMES = {"recovery:metrics_updated": "quic:recovery_metrics_updated"}

    def __init__(self, folder):
        text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(Path(folder).glob("draft-ietf-quic-qlog-*")))
        blocks = re.findall(r"^~~~ *cddl\n(.*?)^~~~", text, re.DOTALL | re.MULTILINE) or re.findall(
            r'<sourcecode type="cddl">(?:<!\[CDATA\[)?(.*?)(?:\]\]>)?</sourcecode>', text, re.DOTALL)
        rules, defined = [], set()
        for rule in re.split(r"^(?=[$\w-]+ */?/?= )", "\n".join(blocks), flags=re.MULTILINE):
            name = re.match(r"([$\w-]+) *= ", rule)
            if name is None or name[1] not in defined:  # two drafts define Initiator
                defined.add(name and name[1])
                rules.append(rule)
        self.rules = _Rules("".join(rules))
        self.types = {name.lower(): name for name in re.findall(r"^(\w+) = \{", "".join(rules), re.MULTILINE)}
        if "quicpacketsent" not in self.types:
            raise ValueError(f"there is no CDDL of the drafts in {folder}")

    def header(self, header):
        # Their QlogFileSeq, whose ~ pycddl does not unwrap.
        self.rules.check("LogFile", _without(header, {"trace", *ADDED_TO_HEADERS}))
        self.rules.check("TraceSeq", header["trace"])

    def event(self, event):
        name = self.OTHER_NAMES.get(event["name"], event["name"])
        data = _without(event["data"], _names(ADDED.get(event["name"], "")))
        nested = data.get(NESTED.get(event["name"]), [])
        for part in nested if isinstance(nested, list) else [nested]:
            if "capsule_type" in part:
                kind = "httpcapsule" + part["capsule_type"]
            elif event["name"].startswith("http3:"):
                kind = "http3" + part["frame_type"].replace("_", "") + "frame"
            else:
                kind = part["frame_type"].replace("_", "") + "frame"
                part = _without(part, {"length"} if part["frame_type"] in ADDED_TO_FRAMES else ())
            self.rules.check(self.types[kind], part)
        if isinstance(nested, list):
            data.pop("frames", None)
            for end in ("local", "remote", "tuple_local", "tuple_remote"):
                if end in data:
                    data[end] = _without(data[end], ADDED_TO_ENDPOINTS)
            self.rules.check(self.types[name.replace(":", "").replace("_", "").lower()], data)


_drafts = os.environ.get("SALLYPORT_QLOG_DRAFTS")
SCHEMAS = [OurWords(), *([Published(_drafts)] if _drafts else [])]


def check(path):
    """Raises a Mismatch where a record of the file is not as the schemas say. Returns how often each event is there."""
    header, *events = records(path)
    counts = {}
    for number, record in enumerate([header, *events], 1):
        counts[record.get("name", "")] = counts.get(record.get("name", ""), 0) + 1
        for schema in SCHEMAS:
            try:
                schema.event(record) if number > 1 else schema.header(record)
            except Exception as wrong:  # pycddl has one of its own, and what is missing raises KeyError
                raise Mismatch(f"{path.name}, record {number}, {record.get('name', 'header')}, by {type(schema).__name__}: "
                               f"{str(wrong).strip()}\n{json.dumps(record)[:2000]}") from None
    return counts


def main():
    counts = {}
    for path in map(Path, sys.argv[1:]):
        header = records(path)[:1]
        if not header or not header[0].get("trace", {}).get("vantage_point", {}).get("name", "").startswith("sallyport "):
            continue
        try:
            counts[str(path)] = check(path)
        except Mismatch as mismatch:
            print(mismatch, file=sys.stderr)
            return 1
    print(json.dumps(counts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
