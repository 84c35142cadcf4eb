// Points in time and spans of it. The protocol layers are handed a Time and never read a clock.
#pragma once

#include <chrono>
#include <cstdint>

namespace sallyport {

using Duration = std::chrono::nanoseconds;
using Time = std::chrono::time_point<std::chrono::steady_clock, Duration>;

/// Later than anything: "no deadline".
inline constexpr Time never = Time::max();

using namespace std::chrono_literals;

}  // namespace sallyport
