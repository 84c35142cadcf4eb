#include "http/http_date.h"

#include <algorithm>
#include <array>
#include <chrono>

#include <fmt/format.h>

namespace sallyport::http {
namespace {

constexpr std::array<std::string_view, 7> weekdays{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};
constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                  "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// Takes pieces off the front of a date; the first that does not fit makes all that follow fail.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }
  bool next_is(char c) const { return !rest_.empty() && rest_.front() == c; }

  void literal(std::string_view expected) {
    ok_ = ok_ && rest_.starts_with(expected);
    if (ok_) rest_.remove_prefix(expected.size());
  }
  int number(std::size_t digits) {
    int value = 0;
    ok_ = ok_ && rest_.size() >= digits &&
          std::all_of(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(digits),
                      [](char c) { return c >= '0' && c <= '9'; });
    if (!ok_) return 0;
    for (std::size_t i = 0; i < digits; ++i) value = value * 10 + (rest_[i] - '0');
    rest_.remove_prefix(digits);
    return value;
  }
  /// A weekday, long or short; which one is not checked against the date, as a wrong one changes nothing.
  bool weekday(bool long_form) {
    for (const auto name : weekdays) {
      const auto wanted = long_form ? name : name.substr(0, 3);
      if (!rest_.starts_with(wanted)) continue;
      rest_.remove_prefix(wanted.size());
      return ok_;
    }
    return ok_ = false;
  }
  unsigned month() {
    for (std::size_t i = 0; i < months.size(); ++i) {
      if (!rest_.starts_with(months[i])) continue;
      rest_.remove_prefix(3);
      return static_cast<unsigned>(i + 1);
    }
    ok_ = false;
    return 1;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

struct Parts {
  int year = 0, day = 0, hour = 0, minute = 0, second = 0;
  unsigned month = 1;
};

void take_time(Scanner& in, Parts& out) {
  out.hour = in.number(2), in.literal(":"), out.minute = in.number(2), in.literal(":"),
  out.second = in.number(2);
}

std::optional<std::int64_t> to_seconds(const Parts& parts) {
  const std::chrono::year_month_day date{std::chrono::year{parts.year}, std::chrono::month{parts.month},
                                         std::chrono::day{static_cast<unsigned>(parts.day)}};
  // 60 is a leap second, which POSIX time folds into the next one.
  if (!date.ok() || parts.hour > 23 || parts.minute > 59 || parts.second > 60) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  const std::int64_t seconds = ((days * 24 + parts.hour) * 60 + parts.minute) * 60 + parts.second;
  // A leap second at the end of the year 9999 would fold into a year of five digits.
  return seconds <= last_http_date ? std::optional(seconds) : std::nullopt;
}

std::optional<std::int64_t> parse_imf_fixdate(std::string_view text) {
  Scanner in(text);
  Parts parts;
  in.weekday(false), in.literal(", "), parts.day = in.number(2), in.literal(" "), parts.month = in.month(),
                                       in.literal(" "), parts.year = in.number(4), in.literal(" "),
                                       take_time(in, parts), in.literal(" GMT");
  return in.at_end() ? to_seconds(parts) : std::nullopt;
}

std::optional<std::int64_t> parse_rfc850(std::string_view text, std::int64_t now) {
  Scanner in(text);
  Parts parts;
  in.weekday(true), in.literal(", "), parts.day = in.number(2), in.literal("-"), parts.month = in.month(),
                                      in.literal("-"), parts.year = in.number(2), in.literal(" "),
                                      take_time(in, parts), in.literal(" GMT");
  if (!in.at_end()) return std::nullopt;
  const auto today =
      std::chrono::floor<std::chrono::days>(std::chrono::sys_seconds{std::chrono::seconds{now}});
  const int this_year = static_cast<int>(std::chrono::year_month_day{today}.year());
  parts.year += this_year / 100 * 100;
  if (parts.year > this_year + 50) parts.year -= 100;
  return to_seconds(parts);
}

std::optional<std::int64_t> parse_asctime(std::string_view text) {
  Scanner in(text);
  Parts parts;
  in.weekday(false), in.literal(" "), parts.month = in.month(), in.literal(" ");
  if (in.next_is(' ')) {
    in.literal(" "), parts.day = in.number(1);
  } else {
    parts.day = in.number(2);
  }
  in.literal(" "), take_time(in, parts), in.literal(" "), parts.year = in.number(4);
  return in.at_end() ? to_seconds(parts) : std::nullopt;
}

}  // namespace

std::string format_http_date(std::int64_t seconds) {
  const std::chrono::sys_seconds time{std::chrono::seconds{seconds}};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     weekdays[std::chrono::weekday{day}.c_encoding()].substr(0, 3),
                     static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
                     static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(),
                     clock.seconds().count());
}

std::optional<std::int64_t> parse_http_date(std::string_view text, std::int64_t now) {
  if (const auto comma = text.find(','); comma == 3)
    return parse_imf_fixdate(text);
  else if (comma != std::string_view::npos)
    return parse_rfc850(text, now);
  return parse_asctime(text);
}

void DateClock::refresh(Time now) {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  const auto whole = std::chrono::floor<std::chrono::seconds>(wall);
  next_ = now + (whole + 1s - wall);
  ++tick_;
  seconds_ = whole.count();
  text_ = format_http_date(seconds_);
}

}  // namespace sallyport::http
