#include "client/retry.h"

#include <algorithm>
#include <ctime>
#include <string>

namespace sallyport::client {
namespace {

constexpr Duration longest_wait = 600s;

}  // namespace

bool is_transient(const Error& error, const RequestPlan& request) {
  if (!request.is_content_repeatable()) return false;
  const bool processed_twice_is_fine = request.is_repeatable();
  if (error.kind == ErrorKind::http) {
    const std::uint64_t status = error.code;
    if (status == 408 || status == 429 || status == 503) return true;
    return processed_twice_is_fine && (status == 500 || status == 502 || status == 504);
  }
  if (error.kind == ErrorKind::refused || error.kind == ErrorKind::resolve ||
      error.kind == ErrorKind::unreachable)
    return true;
  return processed_twice_is_fine && is_of_connection(error.kind);
}

std::optional<Duration> retry_after(const http::Fields& fields, std::int64_t unix_now) {
  const auto value = fields.find("retry-after");
  if (!value) return std::nullopt;
  if (const auto seconds = http::parse_content_length(*value))  // digits, as a length is
    return std::min<Duration>(longest_wait,
                              std::chrono::seconds(std::min<std::uint64_t>(*seconds, 1'000'000)));
  std::tm date{};
  const std::string text(*value);
  const char* const end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
  if (end == nullptr || *end != '\0') return std::nullopt;
  const std::int64_t left = std::clamp<std::int64_t>(::timegm(&date) - unix_now, 0, longest_wait / 1s);
  return std::chrono::seconds(left);
}

Duration backoff(unsigned failed) {
  constexpr unsigned doublings_to_longest = 10;
  return std::min<Duration>(longest_wait,
                            1s * (1 << std::min(failed - std::min(failed, 1U), doublings_to_longest)));
}

}  // namespace sallyport::client
