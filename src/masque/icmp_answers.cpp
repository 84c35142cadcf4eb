#include "masque/icmp_answers.h"

#include <algorithm>

namespace sallyport::masque {

void IcmpAnswers::set_own(std::optional<net::IpAddress> v4, std::optional<net::IpAddress> v6) {
  v4_ = v4;
  v6_ = v6;
}

bool IcmpLimit::take(Time now) {
  constexpr Duration interval = Duration(1s) / per_second;
  const auto more = (now - filled_at_) / interval;
  if (more >= burst) {
    tokens_ = burst;
    filled_at_ = now;
  } else if (more > 0) {
    tokens_ = std::min(burst, tokens_ + static_cast<std::uint32_t>(more));
    filled_at_ += more * interval;
  }
  if (tokens_ == 0) return false;
  --tokens_;
  return true;
}

MutableBytes IcmpAnswers::answer(const IpRejection& rejection, Bytes bytes, const net::IpPacket& packet,
                                 IcmpLimit& limit, Time now) {
  if (!net::may_answer(rejection.error, bytes, packet)) return {};
  if (rejection.error != net::IcmpError::packet_too_big && !limit.take(now)) {
    ++suppressed_;
    return {};
  }
  ++sent_;
  const auto& own = packet.version == 4 ? v4_ : v6_;
  const std::size_t size = net::write_icmp_error(buffer_, rejection.error, bytes, packet,
                                                 own.value_or(packet.destination), rejection.mtu);
  return MutableBytes(buffer_).first(size);
}

}  // namespace sallyport::masque
