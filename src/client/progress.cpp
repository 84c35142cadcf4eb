#include "client/progress.h"

#include "base/escape.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace sallyport::client {
namespace {

std::size_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

}  // namespace

ProgressBar::ProgressBar(net::Timers& timers, std::function<Progress()> sample)
    : ProgressBar(timers, [sample = std::move(sample)](double elapsed, std::size_t width) {
        return progress_line(sample(), elapsed, width);
      }) {}

ProgressBar::ProgressBar(net::Timers& timers, Line line, Duration interval)
    : timers_(timers),
      line_(std::move(line)),
      interval_(interval),
      tick_(timers, [this](Time now) { draw(now); }),
      terminal_(::isatty(STDERR_FILENO) != 0) {}

void ProgressBar::start() {
  if (!terminal_) return;
  started_ = timers_.now();
  tick_.arm(started_ + interval_);
}

void ProgressBar::stop() {
  tick_.disarm();
  erase();
}

void ProgressBar::erase() {
  if (std::exchange(drawn_, false)) std::fputs("\r\033[K", stderr);
}

void ProgressBar::draw(Time now) {
  const double elapsed = in_seconds(now - started_);
  fmt::print(stderr, "\r{}\033[K", line_(elapsed, terminal_width() - 1));
  std::fflush(stderr);
  drawn_ = true;
  tick_.arm(now + interval_);
}

std::string progress_line(const Progress& p, double elapsed, std::size_t width) {
  const double rate = elapsed > 0 ? static_cast<double>(p.received) / elapsed : 0;
  constexpr double mib = 1024.0 * 1024;
  std::string tail = fmt::format(" {:.1f} MiB  {:.1f} MiB/s", static_cast<double>(p.bytes) / mib, rate / mib);
  std::string bar;
  if (p.size > 0) {
    const double part = static_cast<double>(p.bytes) / static_cast<double>(p.size);
    if (rate > 0)
      tail += fmt::format("  {:.0f} s left", static_cast<double>(p.size - std::min(p.size, p.bytes)) / rate);
    constexpr std::size_t cells = 24;
    const auto full = std::min(cells, static_cast<std::size_t>(part * cells));
    bar = fmt::format("{:3.0f}% [{}{}]", part * 100, std::string(full, '#'), std::string(cells - full, '.'));
  }
  const std::string line = escaped(p.label) + " " + bar + tail;
  return std::string(utf8_front(line, width));
}

}  // namespace sallyport::client
