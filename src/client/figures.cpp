#include "client/figures.h"

#include "base/escape.h"
#include "client/link_json.h"
#include "client/transcript.h"

#include <algorithm>
#include <cmath>
#include <fstream>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <sys/resource.h>

namespace sallyport::client {
namespace json = boost::json;
namespace {

/// Of a span, or of one that never ended.
json::value milliseconds_json(Time from, Time to) {
  const auto ms = milliseconds(from, to);
  return ms ? json::value(*ms) : json::value(nullptr);
}

std::string milliseconds_text(Time from, Time to) {
  const auto ms = milliseconds(from, to);
  return ms ? fmt::format("{:.1f}", *ms) : "-";
}

double seconds_of(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

/// The most memory that this program has had. The kernel's ru_maxrss is that of whoever started it, where
/// that was larger: it outlives exec.
long max_resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (long kib = 0; word == "VmHWM:" && status >> kib) return kib;
  return 0;
}

double goodput_mbps(const FetchFigures& fetch) {
  const double ms = milliseconds(fetch.started, fetch.ended).value_or(0);
  return ms > 0 ? static_cast<double>(fetch.bytes) * 8 / 1000 / ms : 0;
}

std::uint64_t all_bytes(const GetFigures& figures) {
  std::uint64_t bytes = 0;
  for (const TransferFigures& transfer : figures.transfers) bytes += transfer.fetch.bytes;
  return bytes;
}

double cpu_per_gib(const GetFigures& figures) {
  const double bytes = static_cast<double>(all_bytes(figures));
  if (bytes == 0) return 0;
  return (figures.process.cpu_user_seconds + figures.process.cpu_system_seconds) /
         (bytes / (1024.0 * 1024 * 1024));
}

/// With its middle left out where it is longer than `width`; ASCII only is counted right.
std::string shortened(const std::string& text, std::size_t width) {
  if (text.size() <= width) return text;
  const std::size_t head = (width - 3) / 2;
  return text.substr(0, head) + "..." + text.substr(text.size() - (width - 3 - head));
}

/// Of less than this many bytes, start and end of the process are most of its CPU time.
constexpr std::uint64_t least_for_cpu_per_gib = 16 * 1024 * 1024;

json::object tunnel_json(const masque::TunnelCounters& tunnel) {
  return {{"datagrams_in", tunnel.datagrams_in},
          {"datagrams_out", tunnel.datagrams_out},
          {"bytes_in", tunnel.bytes_in},
          {"bytes_out", tunnel.bytes_out},
          {"dropped_context", tunnel.dropped_context},
          {"dropped_size", tunnel.dropped_size},
          {"dropped_queue", tunnel.dropped_queue},
          {"dropped_packets", tunnel.dropped_packets}};
}

double rounded(double bytes) {
  return std::round(bytes * 100) / 100;
}

/// In a column that is called HTTP.
std::string_view version_text(std::string_view version) {
  if (version.starts_with("HTTP/")) version.remove_prefix(5);
  return version.empty() ? "-" : version;
}

/// Null where nothing was carried.
json::value cost_json(const dial::TunnelCost& cost) {
  if (cost.datagrams == 0) return nullptr;
  return {{"datagrams", cost.datagrams},
          {"quic", rounded(cost.quic)},
          {"http", rounded(cost.http)},
          {"ip", rounded(cost.ip)},
          {"total", rounded(cost.total())}};
}

/// Of both directions together.
std::string cost_text(const dial::LinkFigures& link) {
  const dial::TunnelCost &sent = link.cost_sent, &received = link.cost_received;
  const double datagrams = static_cast<double>(sent.datagrams + received.datagrams);
  if (datagrams == 0) return "-";
  return fmt::format("{:.1f}", (sent.total() * static_cast<double>(sent.datagrams) +
                                received.total() * static_cast<double>(received.datagrams)) /
                                   datagrams);
}

/// Without a sample there is none (zero, of which no path is).
bool has_rtt(const quic::Stats& stats) {
  return stats.latest_rtt != Duration::zero();
}

json::value rtt_json(const quic::Stats& stats, Duration value) {
  return has_rtt(stats) ? json::value(to_ms(value)) : json::value(nullptr);
}

std::string rtt_text(const quic::Stats& stats, Duration value) {
  return has_rtt(stats) ? fmt::format("{:.2f}", to_ms(value)) : std::string("-");
}

json::object quic_json(const dial::LinkFigures& link) {
  const quic::Stats& q = link.quic;
  return {{"version", fmt::format("{:#010x}", q.version)},
          {"handshake_ms", milliseconds_json(q.started, q.established)},
          {"ttfb_ms", milliseconds_json(q.started, q.first_byte)},
          {"smoothed_rtt_ms", rtt_json(q, q.smoothed_rtt)},
          {"min_rtt_ms", rtt_json(q, q.min_rtt)},
          {"latest_rtt_ms", rtt_json(q, q.latest_rtt)},
          {"rtt_variance_ms", rtt_json(q, q.rtt_variance)},
          {"congestion_window", q.congestion_window},
          {"packets_sent", q.packets_sent},
          {"packets_received", q.packets_received},
          {"packets_lost", q.packets_lost},
          {"bytes_sent", q.bytes_sent},
          {"bytes_received", q.bytes_received},
          {"datagrams_sent", q.datagrams_sent},
          {"datagrams_received", q.datagrams_received},
          {"datagrams_lost", q.datagrams_lost},
          {"datagrams_dropped_queue", q.datagrams_dropped_queue},
          {"datagrams_dropped_size", q.datagrams_dropped_size},
          {"datagrams_dropped_sojourn", q.datagrams_dropped_sojourn},
          {"datagrams_dropped_full", q.datagrams_dropped_full},
          {"datagram_queue_bytes", q.datagram_queue_bytes},
          {"max_udp_payload",
           link.quic_was_established() ? json::value(q.max_udp_payload) : json::value(nullptr)},
          {"resumed", q.resumed},
          {"early_data_accepted", q.early_data_accepted},
          {"retried", q.retried},
          {"ecn_ce_received", q.ecn_marked},
          {"path_changes", q.path_changes},
          {"key_updates", q.key_updates}};
}

json::value text_json(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

/// Values by name, each an array, as one name may come more than once.
json::object fields_json(const http::Fields& fields) {
  json::object object;
  for (const http::Fields::Field field : fields) {
    json::value& values = object[field.name];
    if (values.is_null()) values = json::array();
    values.as_array().push_back(
        json::value(http::holds_credentials(field.name) ? hidden_value : field.value));
  }
  return object;
}

json::object transfer_json(const TransferFigures& transfer) {
  const FetchFigures& f = transfer.fetch;
  json::object object{{"url", transfer.url},
                      {"status", f.status},
                      {"bytes", f.bytes},
                      {"resumed_bytes", f.resumed_bytes},
                      {"size", f.size},
                      {"requests", f.requests},
                      {"http_ttfb_ms", milliseconds_json(f.started, f.first_byte)},
                      {"duration_ms", milliseconds_json(f.started, f.ended)},
                      {"goodput_mbps", goodput_mbps(f)},
                      {"headers", fields_json(f.fields)}};
  if (transfer.error.empty())
    object["error"] = nullptr;
  else
    object["error"] = transfer.error;
  if (!transfer.kept.empty()) object["kept"] = transfer.kept;
  if (transfer.retries > 0) object["retries"] = transfer.retries;
  return object;
}

}  // namespace

std::string size_text(std::uint64_t bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(units)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

json::object link_json(const dial::LinkFigures& link) {
  json::object object{{"title", link.title},
                      {"http_version", text_json(link.version)},
                      {"address", text_json(link.address)},
                      {"tls", text_json(link.tls)},
                      {"cipher", text_json(link.cipher)},
                      {"connect_ms", milliseconds_json(link.started, link.ready)},
                      {"path_budget", link.path_budget}};
  if (link.over_quic) object["quic"] = quic_json(link);
  object["tunnel"] = tunnel_json(link.tunnel);
  object["overhead"] = {{"sent", cost_json(link.cost_sent)}, {"received", cost_json(link.cost_received)}};
  return object;
}

double to_ms(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

std::optional<double> milliseconds(Time from, Time to) {
  if (from == Time{} || to == Time{} || to < from) return std::nullopt;
  return to_ms(to - from);
}

ProcessFigures measure_process(double wall_seconds) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return {seconds_of(usage.ru_utime), seconds_of(usage.ru_stime), max_resident_kib(), wall_seconds};
}

std::string figures_json(const GetFigures& figures) {
  json::array transfers, links;
  for (const TransferFigures& transfer : figures.transfers) transfers.push_back(transfer_json(transfer));
  for (const dial::LinkFigures& link : figures.links) links.push_back(link_json(link));
  const ProcessFigures& p = figures.process;
  json::object object{{"transfers", std::move(transfers)},
                      {"links", std::move(links)},
                      {"process",
                       {{"cpu_user_s", p.cpu_user_seconds},
                        {"cpu_system_s", p.cpu_system_seconds},
                        {"cpu_s_per_gib", cpu_per_gib(figures)},
                        {"max_resident_kib", p.max_resident_kib},
                        {"wall_s", p.wall_seconds}}}};
  if (!figures.qlog_folder.empty()) object["qlog_folder"] = figures.qlog_folder;
  return escaped_json(json::serialize(object)) + "\n";
}

std::string figures_table(const GetFigures& figures) {
  const auto has_nothing = [](const TransferFigures& t) {
    return !t.error.empty() && t.fetch.status == 0 && t.fetch.bytes == 0;
  };
  if (std::ranges::all_of(figures.transfers, has_nothing)) return {};
  std::string out;
  auto to = std::back_inserter(out);
  fmt::format_to(to, "{:>6} {:>10} {:>9} {:>8} {:>8}  {}\n", "status", "size", "time s", "Mbit/s", "TTFB ms",
                 "transfer");
  for (const TransferFigures& t : figures.transfers) {
    const FetchFigures& f = t.fetch;
    fmt::format_to(to, "{:>6} {:>10} {:>9.3f} {:>8.1f} {:>8}  {}\n", f.status, size_text(f.bytes),
                   milliseconds(f.started, f.ended).value_or(0) / 1000, goodput_mbps(f),
                   milliseconds_text(f.started, f.first_byte), shortened(escaped(t.url), 33));
  }
  fmt::format_to(to, "\n{:<18} {:<4} {:>7} {:>7} {:>7} {:>7} {:>5} {:>5} {:>5} {:>5}\n", "connection", "HTTP",
                 "ready", "TTFB", "sRTT", "minRTT", "lost", "UDP", "inner", "over");
  for (const dial::LinkFigures& l : figures.links) {
    const quic::Stats& q = l.quic;
    fmt::format_to(
        to, "{:<18} {:<4} {:>7}", shortened(escaped(l.title), 18), version_text(l.version),
        l.over_quic ? milliseconds_text(q.started, q.established) : milliseconds_text(l.started, l.ready));
    if (l.quic_was_established())
      fmt::format_to(to, " {:>7} {:>7} {:>7} {:>5} {:>5} {:>5} {:>5}",
                     milliseconds_text(q.started, q.first_byte), rtt_text(q, q.smoothed_rtt),
                     rtt_text(q, q.min_rtt), q.packets_lost, q.max_udp_payload, l.path_budget, cost_text(l));
    else
      fmt::format_to(to, " {0:>7} {0:>7} {0:>7} {0:>5} {0:>5} {0:>5} {0:>5}", "-");
    out += '\n';
  }
  out +=
      "ready: handshake, ms; TTFB: to the first 1-RTT packet, ms; sRTT, minRTT:\n"
      "smoothed, least, ms; lost: packets we sent that were lost; UDP: payload,\n"
      "inner: what fits inside, over: what each datagram inside costs, bytes\n";
  const ProcessFigures& p = figures.process;
  const std::string for_each = all_bytes(figures) >= least_for_cpu_per_gib
                                   ? fmt::format(" ({:.2f} s/GiB)", cpu_per_gib(figures))
                                   : std::string();
  fmt::format_to(to, "\nthis process: {:.2f} s CPU{}, {:.1f} MiB peak RSS\n",
                 p.cpu_user_seconds + p.cpu_system_seconds, for_each,
                 static_cast<double>(p.max_resident_kib) / 1024);
  if (!figures.qlog_folder.empty()) fmt::format_to(to, "qlog files: {}\n", escaped(figures.qlog_folder));
  return out;
}

}  // namespace sallyport::client
