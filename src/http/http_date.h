// HTTP dates (RFC 9110 §5.6.7): what Date and Last-Modified say, and what conditional requests ask by.
#pragma once

#include "base/time.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::http {

/// The first second of the year 1: before it there is no HTTP date.
inline constexpr std::int64_t first_http_date = -62'135'596'800;
/// The last second of the year 9999: years have four digits, so after it there is none either.
inline constexpr std::int64_t last_http_date = 253'402'300'799;

/// Seconds since 1970-01-01 UTC as "Sun, 06 Nov 1994 08:49:37 GMT". Years 1 to 9999.
std::string format_http_date(std::int64_t seconds);

/// All three forms that a recipient must take: IMF-fixdate, RFC 850's and asctime's. `now` settles the
/// century of a two-digit year.
std::optional<std::int64_t> parse_http_date(std::string_view text, std::int64_t now);

/// The wall clock as a Date field, formatted once a second. One a worker.
class DateClock {
 public:
  /// Valid until the next call with a later second.
  std::string_view text(Time now) {
    if (now >= next_) refresh(now);
    return text_;
  }
  /// Changes whenever text() does.
  std::uint64_t tick() const { return tick_; }
  std::int64_t seconds(Time now) {
    if (now >= next_) refresh(now);
    return seconds_;
  }

 private:
  void refresh(Time now);

  Time next_ = Time::min();
  std::string text_;
  std::int64_t seconds_ = 0;
  std::uint64_t tick_ = 0;
};

}  // namespace sallyport::http
