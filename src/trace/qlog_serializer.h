// QlogSerializer: turns one connection's recorded events into qlog records (JSON-SEQ, RFC 7464), on the
// writer's thread.
//
// The schema is draft-ietf-quic-qlog-main-schema-14, -quic-events-14 and -h3-events-14. qvis, the usual
// viewer, reads only qlog 0.3, so a file follows both where possible:
//
// - The header has the fields of both; each reader ignores the other's.
// - Events have their current names, "quic:packet_sent", and in addition the older "category":
//   "transport". The draft allows additional fields in an event, and qvis prefers category to the prefix
//   of the name.
// - Exception: quic:recovery_metrics_updated has the older name recovery:metrics_updated, which qvis
//   needs for its congestion graph. The draft allows events outside of event_schemas. Writing both names
//   would double every RTT sample for tools that know both.
// - Data has the current fields and in addition those that qvis reads: "owner" beside "initiator",
//   "length" beside "raw" in frames, "byte_length" in HTTP frames.
// - time_format is "relative_to_epoch"; qvis ignores it and counts from the first event, with the same
//   picture.
//
// Additions to the drafts' schemas have the namespace of extension_schema and are listed in docs/trace.md.
#pragma once

#include "base/bytes.h"
#include "base/time.h"
#include "trace/json_text.h"
#include "trace/loss_inference.h"
#include "trace/qlog_record.h"
#include "trace/recorder.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::trace {

/// Names our additions to the drafts' schemas among a file's event_schemas.
inline constexpr std::string_view extension_schema = "urn:uuid:28c62570-ef49-4244-aeb4-eeced2a2f364";

/// The connection's data in the header of a file.
struct QlogIdentity {
  Vantage vantage{};
  std::vector<std::uint8_t> original_destination_id;
  std::string title;
  Time start{};                                      ///< time 0 of the file
  std::chrono::system_clock::time_point wall_clock;  ///< the same moment for people
};

class QlogSerializer {
 public:
  explicit QlogSerializer(const QlogIdentity& identity) : start_(identity.start) {}

  static void append_header(const QlogIdentity& identity, std::string& out);
  /// Appends one record of a Ring as none, one or several qlog records.
  void append(Bytes record, std::string& out);
  /// A record of a gap: `count` events are missing here.
  void append_gap(Time now, std::uint64_t count, std::string& out) const;

 private:
  void packet(Bytes bytes, std::string& out);
  void packet_header(JsonText& json, const PacketRecord& record, Bytes header);
  void packet_frames(JsonText& json, const PacketRecord& record, Bytes skeleton);
  void track(const PacketRecord& record, Bytes skeleton, std::string& out);
  /// `trigger`: empty where it is not known.
  void lost(Time now, const LossInference::Lost& lost, std::string_view trigger, std::string& out) const;
  void metrics(const MetricsRecord& record, std::string& out);
  void congestion_state(const MetricsRecord& record, std::string& out);
  void path(const PathRecord& record, std::string& out);
  void parameters(Bytes bytes, std::string& out);
  void state(Time now, std::string_view name, std::string& out);
  void dropped(Bytes bytes, std::string& out) const;
  void key_updated(const KeyUpdatedRecord& record, std::string& out) const;
  void closed(Bytes bytes, std::string& out) const;
  void text(Bytes bytes, std::string& out);
  void http_frame(Bytes bytes, std::string& out) const;
  void http_stream_type(const HttpStreamTypeRecord& record, std::string& out) const;
  void capsule(const CapsuleRecord& record, std::string& out) const;

  /// One event; write(JsonText&) fills its data.
  template <class Write>
  void event(std::string& out, Time time, std::string_view name, std::string_view category,
             Write&& write) const {
    out.push_back('\x1e');
    JsonText json(out);
    json.begin_object();
    json.milliseconds("time", time - start_);
    json.text("name", name);
    json.text("category", category);
    json.object("data");
    write(json);
    json.end_object();
    json.end_object();
    out.push_back('\n');
  }

  Time start_;
  std::array<std::uint8_t, 2> ack_delay_exponents_{3,
                                                   3};  ///< by Direction: what our sent and received ACKs use
  std::array<std::vector<std::uint8_t>, 2> destination_ids_;  ///< by Direction: the one last written
  std::uint32_t version_ = 0;
  std::optional<Metrics> metrics_;
  std::optional<bool> slow_start_;
  std::optional<net::NetPath> path_;
  std::uint64_t max_datagram_size_ = 0;
  unsigned paths_ = 0;
  std::string state_;
  LossInference losses_;
};

}  // namespace sallyport::trace
