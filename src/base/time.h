// Points in time and spans of it. The protocol layers take a Time as an argument and never read a clock.
// Times that other hosts read are WallTime.
#pragma once

#include <chrono>
#include <cstdint>

namespace sallyport {

using Duration = std::chrono::nanoseconds;
using Time = std::chrono::time_point<std::chrono::steady_clock, Duration>;
using WallTime = std::chrono::sys_time<Duration>;

/// Later than anything: "no deadline".
inline constexpr Time never = Time::max();

using namespace std::chrono_literals;

/// With their fractions: for messages, metrics and rates.
constexpr double in_seconds(Duration span) {
  return std::chrono::duration<double>(span).count();
}

}  // namespace sallyport
