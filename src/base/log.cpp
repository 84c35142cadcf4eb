#include "base/log.h"

#include <array>
#include <memory>
#include <string>
#include <utility>

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace sallyport {
namespace {

std::atomic<LogLevel> current_level = LogLevel::info;

constexpr std::array<std::pair<std::string_view, LogLevel>, 5> level_names{{{"debug", LogLevel::debug},
                                                                            {"info", LogLevel::info},
                                                                            {"warn", LogLevel::warn},
                                                                            {"error", LogLevel::error},
                                                                            {"off", LogLevel::off}}};

spdlog::logger& logger() {
  // Never destroyed: threads that outlive main() may still have something to say.
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

void log_formatted(LogLevel level, fmt::string_view format, fmt::format_args arguments) {
  const std::string text = fmt::vformat(format, arguments);
  logger().log(spdlog_level(level), spdlog::string_view_t(text.data(), text.size()));
}

std::optional<std::uint64_t> LogLimit::allow(Time now) {
  Time::rep next = next_.load(std::memory_order_relaxed);
  const Time::rep at = now.time_since_epoch().count();
  if (at < next || !next_.compare_exchange_strong(next, at + interval_.count(), std::memory_order_relaxed)) {
    left_out_.fetch_add(1, std::memory_order_relaxed);
    return std::nullopt;
  }
  return left_out_.exchange(0, std::memory_order_relaxed);
}

}  // namespace sallyport
