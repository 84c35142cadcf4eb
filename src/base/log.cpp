#include "base/log.h"

#include "base/escape.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <poll.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

namespace sallyport {
namespace {

std::atomic<LogLevel> current_level = LogLevel::info;
std::atomic<std::uint64_t> lost_lines = 0;
std::atomic<bool> may_wait = true;
constexpr std::size_t longest_line = 3000;

constexpr std::array<std::pair<std::string_view, LogLevel>, 5> level_names{{{"debug", LogLevel::debug},
                                                                            {"info", LogLevel::info},
                                                                            {"warn", LogLevel::warn},
                                                                            {"error", LogLevel::error},
                                                                            {"off", LogLevel::off}}};

spdlog::logger& logger() {
  // Never destroyed: threads that outlive main() may still log.
  static spdlog::logger* const instance = [] {
    auto* made = new spdlog::logger("sallyport", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_level(spdlog::level::trace);
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
    return made;
  }();
  return *instance;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warn:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
    case LogLevel::off:
      break;
  }
  return spdlog::level::off;
}

}  // namespace

void set_log_level(LogLevel level) {
  current_level.store(level, std::memory_order_relaxed);
}

std::optional<LogLevel> parse_log_level(std::string_view text) {
  for (const auto& [name, level] : level_names)
    if (name == text) return level;
  return std::nullopt;
}

bool log_enabled(LogLevel level) {
  return level >= current_level.load(std::memory_order_relaxed) && level != LogLevel::off;
}

void log_without_waiting() {
  may_wait.store(false, std::memory_order_relaxed);
}

void log_formatted(LogLevel level, fmt::string_view format, fmt::format_args arguments) {
  std::string text = escaped(fmt::vformat(format, arguments));
  std::unique_lock<std::mutex> one_at_a_time;
  if (!may_wait.load(std::memory_order_relaxed)) {
    text.resize(utf8_front(text, longest_line).size());
    // A pipe that has room at all takes PIPE_BUF bytes without waiting (pipe(7)).
    static std::mutex mutex;
    one_at_a_time = std::unique_lock(mutex);
    pollfd ready{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
    if (::poll(&ready, 1, 0) < 1) {
      lost_lines.fetch_add(1, std::memory_order_relaxed);
      return;
    }
  }
  logger().log(spdlog_level(level), spdlog::string_view_t(text.data(), text.size()));
  // Standard error may be full or have no reader. This error cannot be reported.
  if (std::ferror(stderr) != 0) {
    std::clearerr(stderr);
    lost_lines.fetch_add(1, std::memory_order_relaxed);
  }
}

std::uint64_t log_lines_lost() {
  return lost_lines.load(std::memory_order_relaxed);
}

std::optional<std::uint64_t> LogLimit::allow(Time now) {
  // When the next one would be due if all of the burst were used up.
  Time::rep due = due_.load(std::memory_order_relaxed);
  const Time::rep at = now.time_since_epoch().count();
  do {
    if (at < due - ahead_) {
      left_out_.fetch_add(1, std::memory_order_relaxed);
      return std::nullopt;
    }
  } while (
      !due_.compare_exchange_weak(due, std::max(at, due) + interval_.count(), std::memory_order_relaxed));
  return left_out_.exchange(0, std::memory_order_relaxed);
}

}  // namespace sallyport
