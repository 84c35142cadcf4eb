#include "inspect/summary.h"

#include "inspect/figures.h"
#include "inspect/qlog_reader.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>

namespace sallyport::inspect {
namespace {

// The range of absolute times: years 1973 to 9999.
constexpr double earliest_start = 1e11, latest_start = 2.5e14;
constexpr std::size_t max_summaries = 10'000;  // of one file: traces times groups

/// Accumulators of one direction.
struct Way {
  DirectionSummary figures;
  StreamBytes streams;
  FirstBytes stream_replies;  ///< in the direction of requests: replies that come the other way
  std::optional<double> first_payload, last_payload;
  std::optional<double> first_one_rtt;

  void add(const QlogEvent& event) {
    ++figures.packets;
    figures.bytes += event.length;
    figures.datagrams += event.datagrams;
    figures.datagram_bytes += event.datagram_bytes;
    for (const QlogStreamPiece& piece : event.streams)
      streams.add(piece.stream_id, piece.offset, piece.length);
    if (event.packet_type == "1rtt" && !first_one_rtt) first_one_rtt = event.time;
    if (event.streams.empty() && event.datagrams == 0) return;
    if (!first_payload) first_payload = event.time;
    last_payload = event.time;
  }
};

std::optional<double> megabits_per_second(std::uint64_t bytes, double milliseconds) {
  if (milliseconds <= 0) return std::nullopt;
  return static_cast<double>(bytes) * 8 / milliseconds / 1000;
}

/// Writers give all that happens in one turn of their event loop one time (docs/glossary.md), as ours does: a
/// time of 0 is only known to be shorter than a turn.
std::optional<double> unless_within_a_turn(std::optional<double> milliseconds) {
  return milliseconds == 0 ? std::nullopt : milliseconds;
}

bool carries_requests(std::uint64_t stream_id) {
  return stream_id % 4 == 0;
}  // client-initiated, bidirectional

/// One trace, or one group of its events.
class Accumulator {
 public:
  void add(const QlogEvent& event) {
    ++events_;
    begin_ = events_ == 1 ? event.time : std::min(begin_, event.time);
    end_ = events_ == 1 ? event.time : std::max(end_, event.time);
    using enum QlogEvent::Kind;
    switch (event.kind) {
      case packet_sent:
        packet(event, sent_, received_);
        if (event.close) close_frame(*event.close, false);
        break;
      case packet_received:
        packet(event, received_, sent_);
        if (event.close) close_frame(*event.close, true);
        break;
      case packet_lost:
        (event.mtu_probe ? probes_lost_ : lost_) += event.packets;
        break;
      case metrics:
        recovery(event);
        break;
      case http_frame_sent:
      case http_frame_received:
        http_frame(event);
        break;
      case state:
        if (event.state.starts_with("handshake_complete") && !handshake_complete_)
          handshake_complete_ = event.time;
        break;
      case closed:
        if (!closed_) closed_ = event.close;
        break;
      case gap:
        missing_ += event.missing;
        break;
      case other:
        break;
    }
  }

  TraceSummary summary(const QlogTrace& trace) const;

 private:
  void packet(const QlogEvent& event, Way& way, Way& other) {
    if (!first_packet_) {
      first_packet_ = event.time;
      sent_first_ = &way == &sent_;
    }
    last_packet_ = event.time;
    way.add(event);
    for (const QlogStreamPiece& piece : event.streams) {
      if (!carries_requests(piece.stream_id)) continue;
      way.stream_replies.request(piece.stream_id, event.time);
      other.stream_replies.response(piece.stream_id, event.time);
    }
  }

  void close_frame(const QlogClose& close, bool by_peer) {
    if (close_frame_) return;
    close_frame_ = close;
    close_frame_->by_peer = by_peer;
  }

  void recovery(const QlogEvent& event) {
    if (event.latest_rtt) latest_rtt_.add(*event.latest_rtt);
    if (event.smoothed_rtt) smoothed_rtt_.add(*event.smoothed_rtt);
    if (event.congestion_window) window_.add(event.time, *event.congestion_window);
  }

  void http_frame(const QlogEvent& event) {
    if (!event.is_headers && !event.is_data) return;
    const bool sent = event.kind == QlogEvent::Kind::http_frame_sent;
    // Only the end of the trace tells which endpoint is the client.
    if (event.is_headers) (sent ? asked_by_us_ : asked_by_peer_).request(event.stream_id, event.time);
    (sent ? asked_by_peer_ : asked_by_us_).response(event.stream_id, event.time);
  }

  std::uint64_t events_ = 0, missing_ = 0, lost_ = 0, probes_lost_ = 0;
  double begin_ = 0, end_ = 0;
  Way sent_, received_;
  std::optional<double> first_packet_, handshake_complete_;
  double last_packet_ = 0;
  bool sent_first_ = false;
  RttFigures latest_rtt_, smoothed_rtt_;
  WindowFigures window_;
  FirstBytes asked_by_us_, asked_by_peer_;
  std::optional<QlogClose> closed_, close_frame_;
};

CloseSummary close_summary(const QlogClose& close, bool client) {
  CloseSummary result{{}, close.error, close.reason, close.trigger};
  // Triggers of an unintended end.
  const bool silent = close.trigger == "idle_timeout" || close.trigger == "version_mismatch" ||
                      close.trigger == "aborted" || close.trigger == "stateless_reset";
  if (!silent) result.by = client != close.by_peer ? "client" : "server";
  return result;
}

TraceSummary Accumulator::summary(const QlogTrace& trace) const {
  TraceSummary result;
  result.title = trace.title;
  result.writer = trace.writer;
  result.connection_id = trace.connection_id;
  result.vantage = !trace.vantage.empty() ? trace.vantage : sent_first_ ? "client" : "server";
  result.events = events_;
  result.events_missing = missing_;
  result.duration = first_packet_ ? last_packet_ - *first_packet_ : 0;
  for (auto [way, figures] : {std::pair{&sent_, &result.sent}, std::pair{&received_, &result.received}}) {
    *figures = way->figures;
    figures->stream_bytes = way->streams.total();
    if (figures->bytes > 0) figures->throughput = megabits_per_second(figures->bytes, result.duration);
    if (way->first_payload)
      figures->goodput = megabits_per_second(figures->stream_bytes + figures->datagram_bytes,
                                             *way->last_payload - *way->first_payload);
  }
  result.packets_lost = lost_;
  result.mtu_probes_lost = probes_lost_;
  if (result.sent.packets > 0)
    result.loss_percent = 100.0 * static_cast<double>(lost_) / static_cast<double>(result.sent.packets);

  const bool client = result.vantage == "client";
  if (const double start = trace.reference_time + begin_;
      events_ > 0 && start > earliest_start && start < latest_start)
    result.start = start;
  if (const auto& close = closed_ ? closed_ : close_frame_) result.close = close_summary(*close, client);
  const auto since_start = [&](const std::optional<double>& time) -> std::optional<double> {
    if (!time || !first_packet_) return std::nullopt;
    return unless_within_a_turn(*time - *first_packet_);
  };
  const Way& to_server = client ? sent_ : received_;
  const Way& to_client = client ? received_ : sent_;
  result.handshake = since_start(handshake_complete_ ? handshake_complete_ : to_server.first_one_rtt);
  result.quic_ttfb = since_start(to_client.first_one_rtt);
  const FirstBytes& frames = client ? asked_by_us_ : asked_by_peer_;
  const FirstBytes& replies = frames.answered() > 0 ? frames : to_server.stream_replies;
  result.requests = replies.answered();
  result.http_ttfb = unless_within_a_turn(replies.first());
  result.http_ttfb_mean = unless_within_a_turn(replies.mean());
  result.rtt = latest_rtt_.summary();
  if (!result.rtt) result.rtt = smoothed_rtt_.summary();
  result.congestion_window = window_.summary(end_);
  return result;
}

class Summarizer final : public QlogSink {
 public:
  explicit Summarizer(std::string file) : file_(std::move(file)) {}

  void on_trace(std::size_t number, const QlogTrace& trace) override {
    traces_.resize(std::max(traces_.size(), number + 1));
    traces_[number].about = trace;
    traces_[number].groups[{}];
  }

  bool on_event(std::size_t trace, const QlogEvent& event) override {
    auto& groups = traces_[trace].groups;
    auto found = groups.find(event.group);
    if (found == groups.end()) {
      if (++count_ > max_summaries) return false;
      found = groups.emplace(event.group, Accumulator()).first;
    }
    found->second.add(event);
    return true;
  }

  void on_cut() override { cut_ = true; }

  bool has_too_many() const { return count_ > max_summaries; }

  std::vector<TraceSummary> summaries() const {
    std::vector<TraceSummary> result;
    for (const Trace& trace : traces_) {
      for (const auto& [group, figures] : trace.groups) {
        if (group.empty() && trace.groups.size() > 1)
          continue;  // what belongs to no connection has no figures
        TraceSummary& summary = result.emplace_back(figures.summary(trace.about));
        summary.file = file_;
        summary.cut = cut_;
        if (!group.empty()) summary.connection_id = group;
      }
    }
    return result;
  }

 private:
  struct Trace {
    QlogTrace about;
    std::map<std::string, Accumulator> groups;
  };

  std::string file_;
  std::deque<Trace> traces_;
  std::size_t count_ = 0;
  bool cut_ = false;
};

template <class Input>
Result<std::vector<TraceSummary>> summarize(const Input& input, const std::string& name) {
  Summarizer summarizer(name);
  Result<> read;
  if constexpr (std::is_same_v<Input, Bytes>)
    read = read_qlog(input, name, summarizer);
  else
    read = read_qlog(name, summarizer);
  if (!read) return fail(read.error().kind, read.error().message, read.error().code);
  if (summarizer.has_too_many())
    return fail(ErrorKind::file, "cannot summarize the qlog " + name + ": it holds more than " +
                                     std::to_string(max_summaries) + " connections");
  return summarizer.summaries();
}

}  // namespace

void sort_by_start(std::vector<TraceSummary>& summaries) {
  static constexpr double unknown = std::numeric_limits<double>::infinity();
  std::ranges::stable_sort(summaries, {},
                           [](const TraceSummary& each) { return each.start.value_or(unknown); });
}

Result<std::vector<TraceSummary>> summarize_qlog(const std::string& path) {
  return summarize(path, path);
}

Result<std::vector<TraceSummary>> summarize_qlog(Bytes bytes, const std::string& name) {
  return summarize(bytes, name);
}

}  // namespace sallyport::inspect
