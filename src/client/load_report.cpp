#include "base/counted.h"
#include "base/escape.h"
#include "client/load.h"

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace sallyport::client {
namespace json = boost::json;
namespace {

double cpu_seconds(const LoadFigures& f) {
  return f.process.cpu_user_seconds + f.process.cpu_system_seconds;
}

double a_second(std::uint64_t count, const LoadFigures& f) {
  return f.seconds > 0 ? static_cast<double>(count) / f.seconds : 0;
}

/// Connections are counted in the warm-up too.
double connections_a_second(const LoadFigures& f) {
  const double seconds = f.seconds + f.warm_up_seconds;
  return seconds > 0 ? static_cast<double>(f.connections) / seconds : 0;
}

/// A few in a long run are not "0 a second".
std::string rate_text(double a_second) {
  return fmt::format("{:.{}f} a second", a_second, a_second < 10 ? 1 : 0);
}

json::object latency_json(const LatencyHistogram& h) {
  if (h.count() == 0)
    return {{"count", 0},        {"mean_ms", nullptr}, {"p50_ms", nullptr}, {"p90_ms", nullptr},
            {"p99_ms", nullptr}, {"p999_ms", nullptr}, {"max_ms", nullptr}};
  return {{"count", h.count()},
          {"mean_ms", to_ms(h.mean())},
          {"p50_ms", to_ms(h.quantile(0.5))},
          {"p90_ms", to_ms(h.quantile(0.9))},
          {"p99_ms", to_ms(h.quantile(0.99))},
          {"p999_ms", to_ms(h.quantile(0.999))},
          {"max_ms", to_ms(h.max())}};
}

void latency_row(std::string& out, std::string_view name, const LatencyHistogram& h) {
  if (h.count() == 0) {
    fmt::format_to(std::back_inserter(out), "{0:<12} {1:>9} {1:>9} {1:>9} {1:>9} {1:>9} {1:>9}\n", name, "-");
    return;
  }
  fmt::format_to(std::back_inserter(out), "{:<12} {:>9.3f} {:>9.3f} {:>9.3f} {:>9.3f} {:>9.3f} {:>9.3f}\n",
                 name, to_ms(h.mean()), to_ms(h.quantile(0.5)), to_ms(h.quantile(0.9)),
                 to_ms(h.quantile(0.99)), to_ms(h.quantile(0.999)), to_ms(h.max()));
}

}  // namespace

std::string load_json(const LoadFigures& f) {
  json::object errors;
  for (const auto& [kind, count] : f.errors) errors[kind] = count;
  const double per_100k = f.requests ? cpu_seconds(f) * 1e5 / static_cast<double>(f.requests) : 0;
  const json::object object{{"http_version", f.version},
                            {"requests", f.requests},
                            {"requests_per_s", a_second(f.requests, f)},
                            {"bytes", f.bytes},
                            {"mbps", a_second(f.bytes, f) * 8 / 1e6},
                            {"seconds", f.seconds},
                            {"warm_up_seconds", f.warm_up_seconds},
                            {"errors", std::move(errors)},
                            {"unanswered", f.unanswered},
                            {"oldest_unanswered_ms", to_ms(f.oldest_unanswered)},
                            {"latency", latency_json(f.latency)},
                            {"connections", f.connections},
                            {"connections_per_s", connections_a_second(f)},
                            {"connect", latency_json(f.connect)},
                            {"cpu_s", cpu_seconds(f)},
                            {"cpu_s_per_100k_requests", per_100k},
                            {"max_resident_kib", f.process.max_resident_kib}};
  return escaped_json(json::serialize(object)) + "\n";
}

std::string load_table(const LoadFigures& f) {
  std::string out;
  auto to = std::back_inserter(out);
  fmt::format_to(to, "{}: {} in {:.2f} s: {}, {:.1f} Mbit/s of bodies; {}",
                 f.version.empty() ? "no connection" : f.version, counted(f.requests, "request"), f.seconds,
                 rate_text(a_second(f.requests, f)), a_second(f.bytes, f) * 8 / 1e6,
                 counted(f.connections, "connection"));
  // One connection has no rate.
  if (f.connections > 1) fmt::format_to(to, ", {}", rate_text(connections_a_second(f)));
  out += '\n';
  if (f.warm_up_seconds > 0)
    fmt::format_to(to, "after {:.2f} s of warm-up, which is not counted\n", f.warm_up_seconds);
  fmt::format_to(to, "{:<12} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "ms", "mean", "p50", "p90", "p99",
                 "p99.9", "max");
  latency_row(out, "request", f.latency);
  latency_row(out, "connect", f.connect);
  for (const auto& [kind, count] : f.errors) fmt::format_to(to, "error: {}: {}\n", escaped(kind), count);
  if (f.errors.empty()) out += "no errors\n";
  if (f.unanswered > 0)
    fmt::format_to(to, "unanswered at the end: {}, the oldest for {:.3f} s\n", f.unanswered,
                   to_ms(f.oldest_unanswered) / 1000);
  fmt::format_to(to, "this process: {:.2f} s CPU, {:.1f} MiB peak RSS\n", cpu_seconds(f),
                 static_cast<double>(f.process.max_resident_kib) / 1024);
  return out;
}

std::string load_progress_line(const LoadProgress& p, std::size_t width) {
  std::string line = fmt::format("{:3.0f} s", p.elapsed);
  auto to = std::back_inserter(line);
  if (p.duration > 0) fmt::format_to(to, " of {:.0f} s", p.duration);
  if (p.warming_up) {
    line += "  warming up";
  } else {
    fmt::format_to(to, "  {}",
                   p.of_requests > 0 ? fmt::format("{} of {}", p.requests, counted(p.of_requests, "request"))
                                     : counted(p.requests, "request"));
    if (p.measured > 0) fmt::format_to(to, "  {}", rate_text(static_cast<double>(p.requests) / p.measured));
  }
  fmt::format_to(to, "  {}", counted(p.connections, "connection"));
  if (p.errors > 0) fmt::format_to(to, "  {}", counted(p.errors, "error"));
  line.resize(std::min(line.size(), width));
  return line;
}

}  // namespace sallyport::client
