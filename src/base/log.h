// Logging to stderr: log_warn("cannot read {}: {}", path, why). One line a message, no full stop. What a peer
// can cause again and again goes through LogOnce or LogLimit, or is counted instead, so that no peer chooses
// the log's rate. Messages are escaped here (base/escape.h), so that what a peer said in them may stand as it
// came.
#pragma once

#include "base/time.h"

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include <fmt/core.h>

namespace sallyport {

enum class LogLevel : std::uint8_t { debug, info, warn, error, off };

/// Messages below `level` are dropped before they are formatted. `info` until it is set. From any thread.
void set_log_level(LogLevel level);
/// "debug", "info", "warn", "error" or "off".
std::optional<LogLevel> parse_log_level(std::string_view text);
bool log_enabled(LogLevel level);

/// Messages that standard error did not take: its reader is gone, its disk full.
std::uint64_t log_lines_lost();

/// What the four functions below are made of.
void log_formatted(LogLevel level, fmt::string_view format, fmt::format_args arguments);

template <class... Arguments>
void log_debug(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  if (log_enabled(LogLevel::debug))
    log_formatted(LogLevel::debug, format, fmt::make_format_args(arguments...));
}
template <class... Arguments>
void log_info(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  if (log_enabled(LogLevel::info)) log_formatted(LogLevel::info, format, fmt::make_format_args(arguments...));
}
template <class... Arguments>
void log_warn(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  if (log_enabled(LogLevel::warn)) log_formatted(LogLevel::warn, format, fmt::make_format_args(arguments...));
}
template <class... Arguments>
void log_error(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  if (log_enabled(LogLevel::error))
    log_formatted(LogLevel::error, format, fmt::make_format_args(arguments...));
}

/// True the first time only, over all threads: `static LogOnce once; if (once.first()) log_warn(...)`.
class LogOnce {
 public:
  bool first() { return !said_.exchange(true, std::memory_order_relaxed); }

 private:
  std::atomic<bool> said_ = false;
};

/// At most one message an interval, and `burst` at once after a silence, over all threads; the ones left out
/// are counted.
class LogLimit {
 public:
  explicit LogLimit(Duration interval, unsigned burst = 1)
      : interval_(interval), ahead_((interval * (burst - 1)).count()) {}
  /// nullopt: say nothing. Otherwise say it, and how many were left out since it was last said.
  std::optional<std::uint64_t> allow(Time now);

 private:
  const Duration interval_;
  const Duration::rep ahead_;
  std::atomic<Time::rep> due_ = 0;
  std::atomic<std::uint64_t> left_out_ = 0;
};

}  // namespace sallyport
