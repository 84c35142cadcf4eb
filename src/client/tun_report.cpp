#include "client/tun_report.h"

#include "base/escape.h"
#include "client/figures.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#include <fmt/format.h>

namespace sallyport::client {
namespace {

std::string rate_text(std::uint64_t now, std::uint64_t before, double seconds) {
  const double rate = seconds > 0 ? static_cast<double>(now - std::min(now, before)) / seconds : 0;
  return size_text(static_cast<std::uint64_t>(rate)) + "/s";
}

/// "3 h 5 min", "5 min 7 s", "7 s".
std::string time_text(Duration time) {
  const auto all = std::chrono::duration_cast<std::chrono::seconds>(time).count();
  const auto days = all / 86'400, hours = all / 3600 % 24, minutes = all / 60 % 60, seconds = all % 60;
  if (days > 0) return hours > 0 ? fmt::format("{} d {} h", days, hours) : fmt::format("{} d", days);
  if (hours > 0) return minutes > 0 ? fmt::format("{} h {} min", hours, minutes) : fmt::format("{} h", hours);
  if (minutes > 0)
    return seconds > 0 ? fmt::format("{} min {} s", minutes, seconds) : fmt::format("{} min", minutes);
  return fmt::format("{} s", seconds);
}

/// Of the packets that we sent since then. The connection may be another one.
double loss_percent(const quic::Stats& now, const quic::Stats* before) {
  const bool same = before != nullptr && before->started == now.started;
  const auto sent = now.packets_sent - (same ? std::min(now.packets_sent, before->packets_sent) : 0);
  const auto lost = now.packets_lost - (same ? std::min(now.packets_lost, before->packets_lost) : 0);
  return sent == 0 ? 0 : std::min(100.0, 100.0 * static_cast<double>(lost) / static_cast<double>(sent));
}

std::string hop_text(std::size_t number, const dial::LinkFigures& link, const quic::Stats* before) {
  std::string text = fmt::format("hop {} {}", number, link.version.empty() ? "connecting" : link.version);
  const quic::Stats& q = link.quic;
  if (!link.over_quic || !link.quic_was_established()) return text;
  if (q.latest_rtt != Duration::zero()) text += fmt::format(" rtt {:.1f} ms", to_ms(q.smoothed_rtt));
  text += fmt::format(" lost {:.1f}% cwnd {} queue {}", loss_percent(q, before),
                      size_text(q.congestion_window), size_text(q.datagram_queue_bytes));
  if (link.path_budget > 0) text += fmt::format(" budget {}", link.path_budget);
  return text;
}

}  // namespace

std::string tun_status_line(const TunFigures& now, const TunFigures& before, double seconds,
                            std::size_t width) {
  std::string line = fmt::format("up {}, down {}", rate_text(now.bytes_up(), before.bytes_up(), seconds),
                                 rate_text(now.bytes_down(), before.bytes_down(), seconds));
  std::uint64_t dropped = 0;
  std::string reasons;
  for (const TunDrop& drop : now.drops()) {
    dropped += drop.packets;
    reasons +=
        fmt::format("{}{} {} {}", reasons.empty() ? "" : ", ", drop.packets, drop.direction, drop.reason);
  }
  if (dropped > 0) line += fmt::format(" | dropped {}", reasons);
  const auto numbers = hop_numbers(now.links);
  for (std::size_t i = 0; i < now.links.size(); ++i) {
    const quic::Stats* const earlier = i < before.links.size() ? &before.links[i].quic : nullptr;
    line += " | " + hop_text(numbers[i], now.links[i], earlier);
  }
  return std::string(utf8_front(line, width));
}

std::string tun_summary(const TunFigures& figures) {
  return fmt::format("up {}, down {} in {}", size_text(figures.bytes_up()), size_text(figures.bytes_down()),
                     time_text(figures.open_for));
}

}  // namespace sallyport::client
