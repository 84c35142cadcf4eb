#include "gateway/access_format.h"

#include "base/escape.h"
#include "masque/proxy_status.h"
#include "masque/uri_template.h"
#include "trace/json_text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <optional>

#include <fmt/format.h>

namespace sallyport::gateway {
namespace {

using Text = AccessRecord::Text;

constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::tm utc(WallTime time) {
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return parts;
}

std::string_view end_name(http::ExchangeEnd end) {
  switch (end) {
    case http::ExchangeEnd::complete:
      return "complete";
    case http::ExchangeEnd::client_reset:
      return "client_reset";
    case http::ExchangeEnd::reset:
      return "reset";
    case http::ExchangeEnd::connection_closed:
      return "connection_closed";
  }
  return "complete";
}

/// The Combined Log Format has no line without a status. 499 is nginx's for a client that gave up.
unsigned status_without_response(http::ExchangeEnd end) {
  return end == http::ExchangeEnd::reset ? 500 : 499;
}

/// A tunnel's target as named by the client; empty for other requests and malformed targets.
std::string target_of(const AccessRecord& record) {
  if (record[Text::method] != "CONNECT") return {};
  if (record[Text::protocol].empty()) return std::string(record[Text::authority]);
  if (record[Text::protocol] == "connect-ip") {
    const auto scope = masque::match_ip_path(record[Text::path]);
    return scope && !scope->is_any_target() ? scope->target_text() : std::string{};
  }
  const auto target = masque::match_udp_path(record[Text::path]);
  return target ? target->to_string() : std::string{};
}

void text(trace::JsonText& json, std::string_view name, std::string_view value) {
  if (!value.empty()) json.text(name, value);
}

/// `items` with commas between them.
void list(trace::JsonText& json, std::string_view name, std::string_view items) {
  if (items.empty()) return;
  json.array(name);
  while (!items.empty()) {
    const std::size_t end = std::min(items.find(','), items.size());
    json.text(items.substr(0, end));
    items.remove_prefix(std::min(end + 1, items.size()));
  }
  json.end_array();
}

void append_or_dash(std::string& out, std::string_view value) {
  if (value.empty())
    out.push_back('-');
  else
    append_quoted(out, value);
}

}  // namespace

std::string timestamp(WallTime time) {
  const std::tm parts = utc(time);
  const auto milliseconds =
      std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count() % 1000;
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, milliseconds);
}

void append_json(const AccessRecord& record, std::string& out) {
  const AccessRecord::Fixed& fixed = record.fixed;
  trace::JsonText json(out);
  json.begin_object();
  json.text("time", timestamp(fixed.started));
  json.text("request_id", record[Text::request_id].empty()
                              ? fmt::format("{:016x}-{:x}", fixed.worker_key, fixed.number)
                              : std::string(record[Text::request_id]));
  text(json, "connection_id", record[Text::connection_id]);
  if (fixed.version >= http::Version::http2)
    json.number("stream_id", static_cast<std::uint64_t>(fixed.stream_id));
  if (fixed.client_known) {
    json.text("client", fixed.client.ip().unmapped().to_string());
    json.number("client_port", fixed.client.port());
  }
  text(json, "identity", record[Text::identity]);
  json.text("version", http::to_string(fixed.version));
  text(json, "tls", record[Text::tls]);
  text(json, "cipher", record[Text::cipher]);
  text(json, "sni", record[Text::server_name]);
  text(json, "client_cert_subject", record[Text::client_subject]);
  text(json, "client_cert_sha256", record[Text::client_fingerprint]);
  if (fixed.has_request) {
    text(json, "method", record[Text::method]);
    text(json, "protocol", record[Text::protocol]);
    text(json, "authority", record[Text::authority]);
    text(json, "path", record[Text::path]);
    text(json, "target", target_of(record));
  }
  if (fixed.status != 0) json.number("status", fixed.status);
  if (const auto proxy = masque::parse_proxy_status(record[Text::proxy_status])) {
    text(json, "proxy_error", proxy->error);
    text(json, "proxy_details", proxy->details);
    text(json, "next_hop", proxy->next_hop);
  }
  text(json, "route", record[Text::route]);
  text(json, "upstream", record[Text::upstream]);
  text(json, "upstream_error", record[Text::upstream_error]);
  list(json, "addresses", record[Text::addresses]);
  json.number("bytes_in", fixed.bytes_in);
  json.number("bytes_out", fixed.bytes_out);
  if (fixed.datagrams_in != 0 || fixed.datagrams_out != 0) {
    json.number("datagrams_in", fixed.datagrams_in);
    json.number("datagrams_out", fixed.datagrams_out);
  }
  // Everything in a turn has one time: 0 is only known to be shorter than a turn.
  if (fixed.duration > Duration::zero()) json.milliseconds("duration_ms", fixed.duration);
  if (fixed.until_response > Duration::zero()) json.milliseconds("response_ms", fixed.until_response);
  json.text("end", end_name(fixed.end));
  text(json, "why", record[Text::why]);
  text(json, "referer", record[Text::referer]);
  text(json, "user_agent", record[Text::user_agent]);
  json.end_object();
}

void append_common(const AccessRecord& record, std::string& out) {
  const AccessRecord::Fixed& fixed = record.fixed;
  // Parsers of this format require an address.
  out += fixed.client_known ? fixed.client.ip().unmapped().to_string() : "0.0.0.0";
  out += " - ";
  // A space would make two fields of one.
  std::string identity;
  append_quoted(identity, record[Text::identity]);
  for (const char c : identity) out += c == ' ' ? std::string_view("\\x20") : std::string_view(&c, 1);
  if (identity.empty()) out.push_back('-');
  const std::tm time = utc(fixed.started);
  fmt::format_to(std::back_inserter(out), " [{:02}/{}/{:04}:{:02}:{:02}:{:02} +0000] \"", time.tm_mday,
                 months[static_cast<std::size_t>(time.tm_mon)], time.tm_year + 1900, time.tm_hour,
                 time.tm_min, time.tm_sec);
  if (fixed.has_request) {
    append_or_dash(out, record[Text::method]);
    out.push_back(' ');
    const bool connect = record[Text::method] == "CONNECT" && record[Text::protocol].empty();
    append_or_dash(out, connect ? record[Text::authority] : record[Text::path]);
    out.push_back(' ');
    out += http::to_string(fixed.version);
  } else {
    out.push_back('-');
  }
  fmt::format_to(std::back_inserter(out), "\" {} {} \"",
                 fixed.status != 0 ? fixed.status : status_without_response(fixed.end), fixed.bytes_out);
  append_or_dash(out, record[Text::referer]);
  out += "\" \"";
  append_or_dash(out, record[Text::user_agent]);
  out.push_back('"');
}

}  // namespace sallyport::gateway
