// Logging to stderr: log_warn("cannot read {}: {}", path, why). One line a message, no full stop. Messages
// that a peer can cause repeatedly go through LogOnce or LogLimit, or are counted instead: no peer may choose
// the log's rate. Messages are escaped here (base/escape.h), so a peer's text is passed unescaped.
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

/// Messages lost because standard error failed or was blocked: its reader is gone, its disk full.
std::uint64_t log_lines_lost();

/// From now on a line that would block on standard error is dropped and counted (log_lines_lost()): a server
/// must not wait for the reader of its log. Lines are then truncated to 3,000 bytes.
void log_without_waiting();

/// The common part of the four functions below.
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

/// A rate limit over all threads: one message an interval, and a burst of `burst`; suppressed messages are
/// counted.
class LogLimit {
 public:
  explicit LogLimit(Duration interval, unsigned burst = 1)
      : interval_(interval), ahead_((interval * (burst - 1)).count()) {}
  /// nullopt: suppress this message. Otherwise log it, with the number of messages suppressed since the last.
  std::optional<std::uint64_t> allow(Time now);

 private:
  const Duration interval_;
  const Duration::rep ahead_;
  std::atomic<Time::rep> due_ = 0;
  std::atomic<std::uint64_t> left_out_ = 0;
};

}  // namespace sallyport
