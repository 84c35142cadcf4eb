#include "masque/ip_trace.h"

#include "http/connection.h"
#include "masque/ip_capsules.h"
#include "quic/connection.h"

#include <cstddef>
#include <iterator>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

// A record is no place for a whole table of routes.
constexpr std::size_t most_entries = 16;

void add(std::string& text, const AssignedAddress& assigned) {
  fmt::format_to(std::back_inserter(text), " {}",
                 assigned.is_rejection() ? std::string("none") : assigned.prefix.to_string());
  if (assigned.request_id != 0)
    fmt::format_to(std::back_inserter(text), " (request {})", assigned.request_id);
}

void add(std::string& text, const RequestedAddress& requested) {
  fmt::format_to(std::back_inserter(text), " {} (request {})", requested.prefix.to_string(),
                 requested.request_id);
}

void add(std::string& text, const IpRange& range) {
  fmt::format_to(std::back_inserter(text), " {}-{}", range.start.to_string(), range.end.to_string());
  if (range.protocol != any_protocol)
    fmt::format_to(std::back_inserter(text), " (protocol {})", range.protocol);
}

template <class Entry>
std::string described(std::string_view name, const Result<std::vector<Entry>>& entries) {
  std::string text(name);
  if (!entries) return text + ": " + entries.error().message;
  if (entries->empty()) return text + " of nothing";
  for (std::size_t i = 0; i < entries->size() && i < most_entries; ++i) add(text, (*entries)[i]);
  if (entries->size() > most_entries)
    fmt::format_to(std::back_inserter(text), " and {} more", entries->size() - most_entries);
  return text;
}

}  // namespace

std::string describe_ip_capsule(std::uint64_t type, Bytes value) {
  switch (type) {
    case capsule_address_assign:
      return described("ADDRESS_ASSIGN", parse_address_assign(value));
    case capsule_address_request:
      return described("ADDRESS_REQUEST", parse_address_request(value));
    case capsule_route_advertisement:
      return described("ROUTE_ADVERTISEMENT", parse_route_advertisement(value));
    default:
      return {};
  }
}

void trace_ip_capsule(const http::Exchange& exchange, trace::Direction direction, std::uint64_t type,
                      Bytes value) {
  const quic::Connection* const quic = exchange.connection().quic();
  trace::Recorder* const recorder = quic == nullptr ? nullptr : quic->recorder();
  if (recorder == nullptr) return;
  const std::string what = describe_ip_capsule(type, value);
  if (what.empty()) return;
  recorder->note(exchange.connection().timers().now(),
                 fmt::format("stream {}: {} {}", exchange.stream_id(),
                             direction == trace::Direction::sent ? "sent" : "received", what));
}

}  // namespace sallyport::masque
