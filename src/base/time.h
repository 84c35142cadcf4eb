// Points in time and spans of it. The protocol layers are handed a Time and never read a clock; what other
// hosts are to understand goes by a WallTime.
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

}  // namespace sallyport
