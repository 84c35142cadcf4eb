#include "client/tun_figures.h"

#include <algorithm>

namespace sallyport::client {

std::uint64_t TunFigures::bytes_up() const {
  std::uint64_t bytes = 0;
  for (const TunDeviceFigures& device : devices) bytes += device.bytes_up;
  return bytes;
}

std::uint64_t TunFigures::bytes_down() const {
  std::uint64_t bytes = 0;
  for (const TunDeviceFigures& device : devices) bytes += device.bytes_down;
  return bytes;
}

std::vector<TunDrop> TunFigures::drops() const {
  std::vector<TunDrop> all;
  for (const TunDeviceFigures& device : devices)
    for (const TunDrop& drop : device.drops) {
      if (drop.packets == 0) continue;
      const auto known = std::ranges::find_if(all, [&](const TunDrop& other) {
        return other.direction == drop.direction && other.reason == drop.reason;
      });
      if (known == all.end())
        all.push_back(drop);
      else
        known->packets += drop.packets;
    }
  return all;
}

std::vector<std::size_t> hop_numbers(const std::vector<dial::LinkFigures>& links) {
  std::vector<std::size_t> numbers;
  numbers.reserve(links.size());
  for (std::size_t i = 0; i < links.size(); ++i)
    numbers.push_back(i == 0                                 ? 1
                      : links[i].title == links[i - 1].title ? numbers.back()
                                                             : numbers.back() + 1);
  return numbers;
}

}  // namespace sallyport::client
