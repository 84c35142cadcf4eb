// What `sallyport tun` shows to people: a status line on a terminal, and its last line.
#pragma once

#include "client/tun_figures.h"

#include <cstddef>
#include <string>

namespace sallyport::client {

/// "up 1.2 MiB/s, down 3.4 MiB/s | hop 1 HTTP/3 rtt 12.3 ms ... | dropped 3: queue": rates and losses since
/// `before`, which was `seconds` ago; in `width` columns. ASCII.
std::string tun_status_line(const TunFigures& now, const TunFigures& before, double seconds,
                            std::size_t width);

/// "up 1.2 GiB, down 3.4 GiB in 3 h 5 min".
std::string tun_summary(const TunFigures& figures);

}  // namespace sallyport::client
