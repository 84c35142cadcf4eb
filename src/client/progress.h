// ProgressBar: one line on a terminal's standard error, redrawn ten times a second while a download or a
// measurement runs, or less often while something lasts.
#pragma once

#include "net/timers.h"

#include <functional>
#include <string>

namespace sallyport::client {

struct Progress {
  std::uint64_t received = 0;         ///< in this run, of everything
  std::uint64_t bytes = 0, size = 0;  ///< there, and in all, of what runs now; size 0: unknown
  std::string label;
};

/// The bar's text after `elapsed` seconds, in `width` columns.
std::string progress_line(const Progress& progress, double elapsed, std::size_t width);

class ProgressBar {
 public:
  /// Asks `sample` for what to show. Draws nothing where standard error is no terminal.
  ProgressBar(net::Timers& timers, std::function<Progress()> sample);
  /// The text of a line of at most `width` columns after `elapsed` seconds.
  using Line = std::function<std::string(double elapsed, std::size_t width)>;
  ProgressBar(net::Timers& timers, Line line, Duration interval = 100ms);
  void start();
  /// Clears the line until it is drawn the next time, for other words on the terminal.
  void erase();
  /// Clears the line.
  void stop();

 private:
  void draw(Time now);

  net::Timers& timers_;
  Line line_;
  const Duration interval_;
  net::Timer tick_;
  Time started_{};
  bool terminal_, drawn_ = false;
};

}  // namespace sallyport::client
