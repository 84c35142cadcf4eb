#include "base/escape.h"
#include "inspect/qlog_time.h"
#include "inspect/summary.h"
#include "trace/json_text.h"

#include <algorithm>
#include <charconv>

#include <fmt/core.h>

namespace sallyport::inspect {
namespace {

using trace::JsonText;

/// Omitted if not in the file.
void write_real(JsonText& json, std::string_view name, const std::optional<double>& value) {
  if (value) json.real(name, *value);
}

void write_direction(JsonText& json, std::string_view name, const DirectionSummary& direction) {
  json.object(name);
  json.number("packets", direction.packets);
  json.number("bytes", direction.bytes);
  json.number("stream_bytes", direction.stream_bytes);
  json.number("datagrams", direction.datagrams);
  json.number("datagram_bytes", direction.datagram_bytes);
  write_real(json, "throughput_mbps", direction.throughput);
  write_real(json, "goodput_mbps", direction.goodput);
  json.end_object();
}

void write_close(JsonText& json, const CloseSummary& close) {
  json.object("close");
  for (const auto& [name, text] : {std::pair{"by", &close.by}, std::pair{"error", &close.error},
                                   std::pair{"reason", &close.reason}, std::pair{"trigger", &close.trigger}})
    if (!text->empty()) json.text(name, *text);
  json.end_object();
}

void write_summary(JsonText& json, const TraceSummary& summary) {
  json.begin_object();
  json.text("file", summary.file);
  json.text("title", summary.title);
  json.text("writer", summary.writer);
  json.text("connection_id", summary.connection_id);
  json.text("vantage", summary.vantage);
  json.number("events", summary.events);
  json.number("events_missing", summary.events_missing);
  json.boolean("cut", summary.cut);
  if (summary.start) json.text("start", format_rfc3339(*summary.start));
  json.real("duration_ms", summary.duration);
  write_direction(json, "sent", summary.sent);
  write_direction(json, "received", summary.received);
  json.number("packets_lost", summary.packets_lost);
  json.number("mtu_probes_lost", summary.mtu_probes_lost);
  json.real("loss_percent", summary.loss_percent);
  write_real(json, "handshake_ms", summary.handshake);
  write_real(json, "quic_ttfb_ms", summary.quic_ttfb);
  write_real(json, "http_ttfb_ms", summary.http_ttfb);
  write_real(json, "http_ttfb_mean_ms", summary.http_ttfb_mean);
  json.number("requests", summary.requests);
  if (const auto& rtt = summary.rtt) {
    json.object("rtt");
    json.number("samples", rtt->samples);
    json.real("min_ms", rtt->min);
    json.real("mean_ms", rtt->mean);
    json.real("p99_ms", rtt->p99);
    json.real("jitter_ms", rtt->jitter);
    json.end_object();
  }
  if (const auto& window = summary.congestion_window) {
    json.object("congestion_window");
    json.number("min", window->min);
    json.real("mean", window->mean);
    json.number("max", window->max);
    json.number("last", window->last);
    json.end_object();
  }
  if (summary.close) write_close(json, *summary.close);
  json.end_object();
}

struct Row {
  std::string name;
  std::vector<std::string> cells;
};

std::string milliseconds(const std::optional<double>& value) {
  return value ? fmt::format("{:.3f} ms", *value) : "-";
}
std::string rate(const std::optional<double>& value) {
  return value ? fmt::format("{:.2f} Mbit/s", *value) : "-";
}

std::string bytes(double count) {
  if (count < 10'000) return fmt::format("{:.0f} B", count);
  if (count < 10'000 * 1024.0) return fmt::format("{:.1f} KiB", count / 1024);
  return fmt::format("{:.1f} MiB", count / 1024 / 1024);
}

std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// The width of the table, and the maximum width of a file's text beside others.
constexpr std::size_t widest_table = 100, widest_text = 24, widest_text_alone = 76;

enum class Cut : std::uint8_t { middle, end };

/// Texts come from files: they are escaped, and no longer than fits. The ends of names tell more than their
/// middles: "2f9c1e03a.._client.sqlog".
std::string plain(std::string_view text, std::size_t widest, Cut cut = Cut::middle) {
  if (text.empty()) return "-";
  std::string shown = escaped(text);
  if (shown.size() <= widest) return shown;
  const std::size_t kept = cut == Cut::middle ? widest * 2 / 5 : widest - 2;
  const std::string_view front = utf8_front(shown, kept);
  std::size_t back = shown.size() - (widest - 2 - kept);
  while (back < shown.size() && (static_cast<unsigned char>(shown[back]) & 0xc0) == 0x80) ++back;
  return std::string(front) + ".." + shown.substr(back);
}

/// As the file has it, but for CRYPTO_ERROR, which carries a TLS alert (RFC 9001 §4.8).
std::string error_text(const std::string& error) {
  constexpr std::string_view crypto_error = "crypto_error_0x1";
  unsigned alert = 0;
  if (!error.starts_with(crypto_error)) return error.empty() ? "no error code" : error;
  const char* const end = error.data() + error.size();
  const auto [stop, wrong] = std::from_chars(error.data() + crypto_error.size(), end, alert, 16);
  return wrong == std::errc{} && stop == end ? fmt::format("TLS alert {}", alert) : error;
}

/// "client: no_error", "idle timeout".
std::string close_text(const std::optional<CloseSummary>& close) {
  if (!close) return "-";
  if (!close->by.empty()) return close->by + ": " + error_text(close->error);
  std::string text = close->trigger;
  std::ranges::replace(text, '_', ' ');
  return text;
}

/// As fmt pads: characters, not bytes.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string datagrams(const DirectionSummary& way) {
  if (way.datagrams == 0) return "-";
  return fmt::format("{} ({})", way.datagrams, bytes(static_cast<double>(way.datagram_bytes)));
}

/// A figure that lacks what was not recorded.
std::string marked_where_incomplete(const TraceSummary& summary, const std::string& text) {
  return summary.events_missing > 0 && text != "-" ? text + "*" : text;
}
constexpr std::string_view counted_note =
    "* from the recorded events alone: some are missing, so it is not exact\n";

template <class Show>
Row row(std::string name, const std::vector<TraceSummary>& summaries, Show&& show) {
  Row result{std::move(name), {}};
  for (const TraceSummary& summary : summaries) result.cells.push_back(show(summary));
  return result;
}

std::vector<Row> rows_of(const std::vector<TraceSummary>& all) {
  using S = const TraceSummary&;
  const auto rtt = [](double RttSummary::* member) {
    return [member](S s) { return s.rtt ? milliseconds((*s.rtt).*member) : std::string("-"); };
  };
  const auto window = [](std::uint64_t WindowSummary::* member) {
    return [member](S s) {
      return s.congestion_window ? bytes(static_cast<double>((*s.congestion_window).*member))
                                 : std::string("-");
    };
  };
  const auto count = [](std::uint64_t value) { return fmt::format("{}", value); };
  const std::size_t widest = all.size() == 1 ? widest_text_alone : widest_text;
  const auto start_text = [](S s) {
    if (!s.start) return std::string("-");
    std::string text = format_rfc3339(*s.start);
    text[text.find('T')] = ' ';
    text.pop_back();
    return text;
  };
  std::vector<Row> rows;
  const auto add = [&](std::string name, auto&& show) { rows.push_back(row(std::move(name), all, show)); };
  add("file", [&](S s) { return plain(base_name(s.file), widest); });
  add("title", [&](S s) { return plain(s.title, widest); });
  add("vantage point", [&](S s) { return plain(s.vantage, widest); });
  add("start (UTC)", start_text);
  add("duration", [](S s) { return milliseconds(s.duration); });
  add("handshake", [](S s) { return milliseconds(s.handshake); });
  add("TTFB, QUIC", [](S s) { return milliseconds(s.quic_ttfb); });
  add("TTFB, HTTP", [](S s) { return milliseconds(s.http_ttfb); });
  const auto add_counted = [&](std::string name, auto&& show) {
    add(std::move(name), [&](S s) { return marked_where_incomplete(s, show(s)); });
  };
  add_counted("requests", [&](S s) { return count(s.requests); });
  const auto direction = [&](const std::string& verb, DirectionSummary TraceSummary::* way) {
    add_counted(verb, [&](S s) { return bytes(static_cast<double>((s.*way).bytes)); });
    add_counted(verb + ", packets", [&](S s) { return count((s.*way).packets); });
    add_counted(verb + ", stream data",
                [&](S s) { return bytes(static_cast<double>((s.*way).stream_bytes)); });
    add_counted(verb + ", datagrams", [&](S s) { return datagrams(s.*way); });
    add_counted(verb + ", throughput", [&](S s) { return rate((s.*way).throughput); });
    add_counted(verb + ", goodput", [&](S s) { return rate((s.*way).goodput); });
  };
  direction("sent", &TraceSummary::sent);
  direction("received", &TraceSummary::received);
  add_counted("lost", [](S s) { return fmt::format("{} ({:.3f}%)", s.packets_lost, s.loss_percent); });
  add("RTT, min", rtt(&RttSummary::min));
  add("RTT, mean", rtt(&RttSummary::mean));
  add("RTT, p99", rtt(&RttSummary::p99));
  add("jitter", rtt(&RttSummary::jitter));
  add("cwnd, min", window(&WindowSummary::min));
  add("cwnd, mean",
      [](S s) { return s.congestion_window ? bytes(s.congestion_window->mean) : std::string("-"); });
  add("cwnd, max", window(&WindowSummary::max));
  add("cwnd, last", window(&WindowSummary::last));
  add("closed", [&](S s) { return plain(close_text(s.close), widest); });
  if (std::ranges::any_of(all, [](S s) { return s.close && !s.close->reason.empty(); }))
    add("close reason",
        [&](S s) { return plain(s.close ? s.close->reason : std::string(), widest, Cut::end); });
  if (std::ranges::any_of(all, [](S s) { return s.events_missing > 0 || s.cut; }))
    add("missing", [](S s) {
      return s.events_missing > 0 ? fmt::format("{} events", s.events_missing)
                                  : std::string(s.cut ? "the end" : "-");
    });
  return rows;
}

}  // namespace

std::string summaries_as_json(const std::vector<TraceSummary>& summaries) {
  std::string result;
  JsonText json(result);
  json.begin_array();
  for (const TraceSummary& summary : summaries) write_summary(json, summary);
  json.end_array();
  result.push_back('\n');
  return result;
}

std::string summaries_as_table(const std::vector<TraceSummary>& summaries) {
  const std::vector<Row> rows = rows_of(summaries);
  std::size_t name_width = 0;
  std::vector<std::size_t> widths(summaries.size(), 0);
  for (const Row& each : rows) {
    name_width = std::max(name_width, each.name.size());
    for (std::size_t i = 0; i < each.cells.size(); ++i) widths[i] = std::max(widths[i], width(each.cells[i]));
  }
  std::string result;
  for (std::size_t first = 0, last = 0; first < widths.size(); first = last) {
    std::size_t total = name_width;
    while (last < widths.size() && (last == first || total + 2 + widths[last] <= widest_table))
      total += 2 + widths[last++];
    if (first > 0) result.push_back('\n');
    for (const Row& each : rows) {
      result += fmt::format("{:<{}}", each.name, name_width);
      for (std::size_t i = first; i < last; ++i) result += fmt::format("  {:>{}}", each.cells[i], widths[i]);
      result.push_back('\n');
    }
  }
  if (std::ranges::any_of(summaries, [](const TraceSummary& each) { return each.events_missing > 0; }))
    result += counted_note;
  return result;
}

}  // namespace sallyport::inspect
