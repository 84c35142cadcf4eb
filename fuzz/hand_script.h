// HandScript: what a hostile QUIC peer does, read from a fuzzer's input: how it changes a list of TLS
// extensions or transport parameters, and which frames it puts into packets of which packet number space.
#pragma once

#include "http/h3_for_test.h"
#include "quic/hand_peer_for_test.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

namespace sallyport::quic::fuzz {

using namespace quic::test;

class HandScript {
 public:
  HandScript(const std::uint8_t* data, std::size_t size) : in_(data, size) {}

  bool empty() const { return in_.empty(); }
  std::uint8_t octet() {
    if (in_.empty()) return 0;
    const std::uint8_t value = in_[0];
    in_ = in_.subspan(1);
    return value;
  }
  std::size_t below(std::size_t bound) { return octet() % bound; }
  Octets bytes(std::size_t most) {
    const Bytes taken = in_.first(std::min({most, std::size_t{octet()}, in_.size()}));
    in_ = in_.subspan(taken.size());
    return {taken.begin(), taken.end()};
  }
  Level level() { return static_cast<Level>(octet() % level_count); }
  /// A value for a frame's field: mostly small, or one at which something may break.
  std::uint64_t value() {
    static constexpr std::array<std::uint64_t, 24> edges{0,
                                                         1,
                                                         63,
                                                         64,
                                                         16'383,
                                                         16'384,
                                                         65'535,
                                                         65'536,
                                                         1 << 20,
                                                         1 << 24,
                                                         1 << 30,
                                                         1ull << 32,
                                                         1ull << 60,
                                                         (1ull << 60) + 1,
                                                         (1ull << 61) - 1,
                                                         1ull << 61,
                                                         varint_max - 1,
                                                         varint_max,
                                                         1200,
                                                         1 << 14,
                                                         (1 << 14) - 1,
                                                         20,
                                                         21,
                                                         255};
    const std::uint8_t what = octet();
    return what < 200 ? what % 64 : edges[what % edges.size()];
  }

  /// Drops, doubles, empties, cuts, lengthens, moves or rewrites entries of `list`.
  template <class Entry>
  void change(std::vector<Entry>& list, Octets Entry::* content) {
    for (std::size_t left = below(5); left > 0 && !list.empty(); --left) {
      const auto at = list.begin() + static_cast<std::ptrdiff_t>(below(list.size()));
      Octets& its = (*at).*content;
      switch (below(8)) {
        case 0:
          list.erase(at);
          break;
        case 1: {
          const Entry copy = *at;
          list.push_back(copy);
          break;
        }
        case 2:
          its.clear();
          break;
        case 3:
          its.resize(its.size() - std::min(its.size(), 1 + below(4)));
          break;
        case 4:
          append(its, bytes(32));
          break;
        case 5:
          std::swap(*at, list[below(list.size())]);
          break;
        case 6:
          if (!its.empty()) its[below(its.size())] ^= static_cast<std::uint8_t>(1u << below(8));
          break;
        default:
          its = bytes(64);
      }
    }
  }
  void change(std::vector<TransportParameter>& parameters) {
    change(parameters, &TransportParameter::value);
    for (std::size_t left = below(4); left > 0; --left) {
      const std::uint64_t id = below(4) == 0 ? value() : below(0x22);
      parameters.push_back(below(2) == 0 ? TransportParameter{id, bytes(64)} : parameter(id, value()));
    }
  }
  void change(std::vector<TlsExtension>& extensions) {
    change(extensions, &TlsExtension::content);
    for (std::size_t left = below(3); left > 0; --left) {
      const auto type = static_cast<std::uint16_t>(below(3) == 0 ? value() : below(64));
      extensions.push_back({type, bytes(64)});
    }
  }

  /// Some frames for a packet of `level`.
  Octets frames(HandPeer& peer, Level level) {
    Octets out;
    for (std::size_t left = 1 + below(6); left > 0 && !empty(); --left) append(out, one_frame(peer, level));
    return out;
  }

 private:
  Octets one_frame(HandPeer& peer, Level level) {
    const std::uint8_t type = octet() % 0x34;
    Octets out{type};
    const auto fields = [&](std::size_t count) {
      while (count-- > 0) append_varint(out, value());
    };
    const auto sized = [&](std::size_t most) {
      const Octets content = bytes(most);
      append_varint(out, below(16) == 0 ? value() : content.size());
      append(out, content);
    };
    switch (type) {
      case 0x00:
      case 0x01:
      case 0x1e:
        return out;
      case 0x02:
        return below(2) == 0 ? peer.ack_frame(level) : frame({2, value(), value(), 0, value()});
      case 0x03:
        fields(2);
        out.push_back(static_cast<std::uint8_t>(below(3)));
        fields(1 + below(10));
        return out;
      case 0x04:
        fields(3);
        return out;
      case 0x05:
        fields(2);
        return out;
      case 0x06: {
        if (below(2) == 0) return peer.crypto_frame(level, tls(peer));
        append_varint(out, value());
        sized(64);
        return out;
      }
      case 0x07:
        sized(255);
        return out;
      case 0x10:
      case 0x12:
      case 0x13:
      case 0x14:
      case 0x16:
      case 0x17:
      case 0x19:
        fields(1);
        return out;
      case 0x11:
      case 0x15:
        fields(2);
        return out;
      case 0x18:
        append_varint(out, below(2) == 0 ? next_id_++ : value());
        append_varint(out, below(4) == 0 ? value() : below(2) * next_id_);
        out.push_back(below(8) == 0 ? octet() : 8);
        for (std::size_t i = 0; i < 24; ++i) out.push_back(static_cast<std::uint8_t>(next_id_ * 29 + i));
        return out;
      case 0x1a:
      case 0x1b: {
        Octets data = type == 0x1b && below(4) != 0 ? peer.path_challenge : bytes(8);
        data.resize(8);
        append(out, data);
        return out;
      }
      case 0x1c:
        fields(2);
        sized(32);
        return out;
      case 0x1d:
        fields(1);
        sized(32);
        return out;
      case 0x30:
        append(out, bytes(64));
        return out;
      case 0x31:
        sized(64);
        return out;
      case 0x32:
      case 0x33:
        return http_stream();
      default:
        if (type < 0x10) {  // STREAM
          append_varint(out, value());
          if ((type & 4) != 0) append_varint(out, value());
          if ((type & 2) != 0)
            sized(64);
          else
            append(out, bytes(64));
          return out;
        }
        return out;  // unknown ones
    }
  }

  /// A TLS message, whole or not.
  Octets tls(HandPeer&) {
    const auto type = static_cast<TlsMessage>(below(26));
    Octets message = tls_message(type, bytes(64));
    if (below(4) == 0) message.resize(below(message.size()) + 1);
    return message;
  }

  /// The next bytes of one of the peer's streams, as HTTP/3 wants them or not.
  Octets http_stream() {
    static constexpr std::array<std::uint64_t, 8> ids{0, 2, 4, 6, 8, 10, 1, 3};
    const std::uint64_t id = ids[below(ids.size())];
    std::uint64_t& offset = offsets_[id];
    std::string content;
    switch (below(6)) {
      case 0:
        content = http::test::varint(0) + http::test::settings_frame();
        break;
      case 1:
        content = http::test::headers(http::test::request_lines());
        break;
      case 2:
        content = http::test::headers({{":method", "CONNECT"},
                                       {":protocol", "connect-udp"},
                                       {":scheme", "https"},
                                       {":authority", "server.test"},
                                       {":path", "/.well-known/masque/udp/192.0.2.9/53/"}});
        break;
      case 3:
        content = http::test::headers({{":status", "200"}});
        break;
      case 4:
        content = http::test::frame(value(), std::string(as_text(bytes(64))));
        break;
      default:
        content = std::string(as_text(bytes(64)));
    }
    Octets out{static_cast<std::uint8_t>(below(4) == 0 ? 0x0f : 0x0e)};
    append_varint(out, id);
    append_varint(out, offset);
    append_varint(out, content.size());
    append(out, as_bytes(content));
    offset += content.size();
    return out;
  }

  Bytes in_;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, std::uint64_t> offsets_;
};

/// The steps that a hostile client and a hostile server have in common. A target handles the choices of its
/// own first (4, 6 and 10) and passes the others here; any number without a case sends an ACK frame.
template <class Scene>
void common_step(HandScript& script, Scene& scene, HandPeer& hand, std::size_t choice) {
  switch (choice) {
    case 0:
    case 1:
    case 2: {
      const Level level = script.level();
      hand.send(level, script.frames(hand, level));
      break;
    }
    case 3: {  // packets together in one datagram
      Octets datagram;
      for (std::size_t left = 1 + script.below(3); left > 0; --left) {
        const Level level = script.level();
        append(datagram, hand.packet(level, script.frames(hand, level), 0));
      }
      hand.send_datagram(datagram);
      break;
    }
    case 5: {
      static constexpr std::array<Duration, 5> spans{0ms, 1ms, 25ms, 1s, 31s};
      scene.run_for(spans[script.below(spans.size())]);
      break;
    }
    case 7:
      ++hand.key_updates;
      break;
    case 8:
      hand.next_number[script.below(level_count)] += static_cast<std::uint32_t>(script.value());
      break;
    case 9:
      hand.send_datagram(script.bytes(255));
      break;
    default: {
      const Level level = script.level();
      hand.send(level, hand.ack_frame(level));
    }
  }
}

}  // namespace sallyport::quic::fuzz
