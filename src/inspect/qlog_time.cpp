#include "inspect/qlog_time.h"

#include <charconv>
#include <chrono>
#include <cmath>

#include <fmt/core.h>

namespace sallyport::inspect {
namespace {

/// Takes `digits` digits off the front of `text`, and `mark` behind them unless it is 0.
std::optional<int> take_number(std::string_view& text, std::size_t digits, char mark) {
  int number = 0;
  if (text.size() < digits) return std::nullopt;
  const char* const end = text.data() + digits;
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end || number < 0) return std::nullopt;
  text.remove_prefix(digits);
  if (mark == 0) return number;
  if (text.empty() || text.front() != mark) return std::nullopt;
  text.remove_prefix(1);
  return number;
}

/// The optional fraction of a second.
double take_fraction(std::string_view& text) {
  double fraction = 0, place = 0.1;
  if (text.empty() || text.front() != '.') return 0;
  text.remove_prefix(1);
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), place /= 10)
    fraction += place * (text.front() - '0');
  return fraction;
}

/// The offset at the end, in minutes.
std::optional<int> offset_of(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return std::nullopt;
  const int sign = text.front() == '-' ? -1 : 1;
  text.remove_prefix(1);
  const auto hours = take_number(text, 2, ':');
  const auto minutes = hours ? take_number(text, 2, 0) : std::nullopt;
  if (!minutes || !text.empty()) return std::nullopt;
  return sign * (*hours * 60 + *minutes);
}

}  // namespace

std::optional<double> parse_rfc3339(std::string_view text) {
  namespace chrono = std::chrono;
  const auto year = take_number(text, 4, '-');
  const auto month = year ? take_number(text, 2, '-') : std::nullopt;
  const auto day = month ? take_number(text, 2, 0) : std::nullopt;
  if (!day || text.empty() || (text.front() != 'T' && text.front() != 't')) return std::nullopt;
  text.remove_prefix(1);
  const auto hour = take_number(text, 2, ':');
  const auto minute = hour ? take_number(text, 2, ':') : std::nullopt;
  const auto second = minute ? take_number(text, 2, 0) : std::nullopt;
  if (!second) return std::nullopt;
  const double fraction = take_fraction(text);
  const auto offset = offset_of(text);
  const chrono::year_month_day date{chrono::year(*year), chrono::month(static_cast<unsigned>(*month)),
                                    chrono::day(static_cast<unsigned>(*day))};
  if (!offset || !date.ok()) return std::nullopt;
  const double minutes = (chrono::sys_days(date).time_since_epoch().count() * 24.0 + *hour) * 60 + *minute;
  return ((minutes - *offset) * 60 + *second + fraction) * 1000;
}

std::string format_rfc3339(double time) {
  namespace chrono = std::chrono;
  const chrono::sys_time<chrono::milliseconds> at(
      chrono::milliseconds(static_cast<std::int64_t>(std::floor(time))));
  const auto day = chrono::floor<chrono::days>(at);
  const chrono::year_month_day date(day);
  const chrono::hh_mm_ss clock(at - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

}  // namespace sallyport::inspect
