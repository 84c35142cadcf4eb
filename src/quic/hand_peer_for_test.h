// HandPeer: a QUIC peer with a hand-made handshake that sends any frames, in every packet number space,
// correctly protected. Its keys come from the key log of the endpoint under test: a faulty handshake
// continues for as long as that endpoint accepts it. HandClient tests an Endpoint, HandServer a client's
// Connection.
#pragma once

#include "quic/hand_tls_for_test.h"
#include "quic/link_for_test.h"
#include "quic/native.h"
#include "trace/quic_frames.h"

#include <array>
#include <optional>
#include <string>
#include <vector>

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

namespace sallyport::quic::test {

enum class Level : std::uint8_t { initial, zero_rtt, handshake, one_rtt };
inline constexpr std::size_t level_count = 4;

class HandPeer {
 public:
  struct Close {
    bool application = false;
    std::uint64_t code = 0;
  };

  // All public members may be changed at any time.
  std::uint32_t version = version_1;
  Octets peer_id;  ///< Destination Connection ID of sent packets
  Octets own_id{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
  Octets token;  ///< in Initial packets
  std::array<std::uint32_t, level_count> next_number{};
  std::array<std::uint64_t, level_count> crypto_sent{};
  net::SocketAddress address;   ///< its source address
  std::size_t key_updates = 0;  ///< of sent packets

  std::optional<Close> closed;  ///< the first CONNECTION_CLOSE that came
  bool retried = false, version_negotiated = false;
  std::array<std::uint64_t, level_count> expected_number{};  ///< one more than the largest received
  std::array<Octets, level_count> crypto_received;
  Octets path_challenge;  ///< the newest that came

  /// Whether the keys of `level` are known.
  bool can_send(Level level) const {
    if (level == Level::initial) return !initial_id_.empty();
    return !secrets_.secret(label(level, is_client_)).empty();
  }
  /// A packet with these frames, an Initial's padded to `size`; empty when its keys are not known yet.
  Octets packet(Level level, Octets frames, std::size_t size = 1200) {
    if (!can_send(level)) return {};
    const auto at = static_cast<std::size_t>(level);
    if (frames.size() < 4) frames.resize(4);  // header protection takes a sample
    PacketForge forge = level == Level::initial
                            ? PacketForge::initial(initial_id_, version, is_client_)
                            : PacketForge(secrets_.secret(label(level, is_client_)), version);
    if (level == Level::one_rtt) {
      for (std::size_t i = 0; i < key_updates; ++i) forge = forge.updated();
      return forge.short_packet(peer_id, next_number[at]++, frames, key_updates % 2 != 0);
    }
    // 0-RTT and 1-RTT packets are of one space (RFC 9000 §12.3).
    auto& number = next_number[level == Level::zero_rtt ? static_cast<std::size_t>(Level::one_rtt) : at];
    return forge.long_packet(long_type(level), peer_id, own_id, token, number++, std::move(frames),
                             level == Level::initial ? size : 0);
  }
  void send(Level level, Octets frames) { send_datagram(packet(level, std::move(frames))); }
  void send_datagram(Bytes datagram) {
    if (!datagram.empty()) end_.inject(address, datagram);
  }
  /// A CRYPTO frame (RFC 9000 §19.6) with the next bytes of the level's stream.
  Octets crypto_frame(Level level, Bytes bytes) {
    auto& offset = crypto_sent[static_cast<std::size_t>(level)];
    Octets out = frame({0x06, offset, bytes.size()});
    append(out, bytes);
    offset += bytes.size();
    return out;
  }
  void send_crypto(Level level, Bytes message) {
    // Larger messages, as a long certificate chain, take several packets.
    for (constexpr std::size_t most = 1000; !message.empty();) {
      const Bytes part = message.first(std::min(most, message.size()));
      message = message.subspan(part.size());
      send(level, crypto_frame(level, part));
    }
  }
  /// Acknowledges all packets received at this level; empty when there are none.
  Octets ack_frame(Level level) const {
    const std::uint64_t expected = expected_number[static_cast<std::size_t>(level)];
    return expected == 0 ? Octets{} : frame({0x02, expected - 1, 0, 0, expected - 1});
  }
  /// The transcript of both directions, as covered by the Finished messages.
  Octets transcript;

 protected:
  HandPeer(LinkEnd& end, const SecretCatcher& secrets, bool is_client)
      : address(end.net_path().remote), end_(end), secrets_(secrets), is_client_(is_client) {
    end.watch = [this](const net::SocketAddress&, Bytes datagram) { receive(datagram); };
  }
  ~HandPeer() { end_.watch = nullptr; }

  /// After a Retry, or with a client's first packet: Initial keys follow from this.
  void set_initial_id(const Octets& id) { initial_id_ = id; }
  const Octets& initial_id() const { return initial_id_; }
  const SecretCatcher& secrets() const { return secrets_; }
  static std::string_view label(Level level, bool of_client) {
    switch (level) {
      case Level::zero_rtt:
        return "CLIENT_EARLY_TRAFFIC_SECRET";
      case Level::handshake:
        return of_client ? "CLIENT_HANDSHAKE_TRAFFIC_SECRET" : "SERVER_HANDSHAKE_TRAFFIC_SECRET";
      default:
        return of_client ? "CLIENT_TRAFFIC_SECRET_0" : "SERVER_TRAFFIC_SECRET_0";
    }
  }
  virtual void on_crypto(Level level) = 0;

 private:
  static LongType long_type(Level level) {
    return level == Level::initial    ? LongType::initial
           : level == Level::zero_rtt ? LongType::zero_rtt
                                      : LongType::handshake;
  }

  void receive(Bytes datagram) {
    while (datagram.size() > 7) {
      if ((datagram[0] & 0x80) == 0) {
        open(Level::one_rtt, datagram, 1 + own_id.size());
        return;
      }
      const std::size_t size = receive_long(datagram);
      if (size == 0 || size > datagram.size()) return;
      datagram = datagram.subspan(size);
    }
  }
  /// The size of the packet; 0 when nothing may follow it.
  std::size_t receive_long(Bytes datagram) {
    std::uint32_t its_version = 0;
    for (std::size_t i = 1; i < 5; ++i) its_version = its_version << 8 | datagram[i];
    Bytes rest = datagram.subspan(5);
    const auto take_id = [&rest] {
      const std::size_t size = rest.empty() ? 0 : rest[0];
      if (rest.size() < 1 + size) return Octets{};
      Octets id(rest.begin() + 1, rest.begin() + 1 + static_cast<std::ptrdiff_t>(size));
      rest = rest.subspan(1 + size);
      return id;
    };
    const Octets destination = take_id(), source = take_id();
    if (its_version == 0) {
      version_negotiated = true;
      return 0;
    }
    version = its_version;
    const LongType type = long_type_of(datagram[0], its_version);
    if (type == LongType::retry) {
      if (rest.size() < 16) return 0;
      token.assign(rest.begin(), rest.end() - 16);
      peer_id = source;
      set_initial_id(source);
      retried = true;
      return 0;
    }
    if (!is_client_ && initial_id_.empty()) set_initial_id(destination);
    peer_id = source;
    if (type == LongType::initial) {
      const auto size = take_varint(rest);
      if (!size || *size > rest.size()) return 0;
      rest = rest.subspan(*size);
    }
    const auto length = take_varint(rest);
    if (!length || *length > rest.size()) return 0;
    const auto number_at = static_cast<std::size_t>(rest.data() - datagram.data());
    const Level level = type == LongType::initial    ? Level::initial
                        : type == LongType::zero_rtt ? Level::zero_rtt
                                                     : Level::handshake;
    open(level, datagram.first(number_at + *length), number_at);
    return number_at + *length;
  }
  void open(Level level, Bytes packet, std::size_t number_at) {
    const auto at = static_cast<std::size_t>(level);
    const Octets secret = level == Level::initial ? Octets{} : secrets_.secret(label(level, !is_client_));
    if (level != Level::initial && secret.empty()) return;
    const PacketForge forge = level == Level::initial
                                  ? PacketForge::initial(initial_id_, version, !is_client_)
                                  : PacketForge(secret, version);
    const auto frames = forge.open(packet, number_at, expected_number[at]);
    if (!frames) return;
    bool crypto = false;
    for (trace::FrameReader reader(*frames); const auto frame = reader.next();) {
      Octets& stream = crypto_received[at];
      if (frame->kind == trace::FrameKind::crypto && frame->offset <= stream.size() &&
          frame->offset + frame->data.size() > stream.size()) {
        append(stream, frame->data.subspan(stream.size() - frame->offset));
        crypto = true;
      }
      if (frame->kind == trace::FrameKind::path_challenge)
        path_challenge.assign(frame->data.begin(), frame->data.end());
      if (frame->kind == trace::FrameKind::connection_close && !closed)
        closed = {frame->application, frame->error_code};
    }
    if (crypto) on_crypto(level);
  }

  LinkEnd& end_;
  const SecretCatcher& secrets_;
  const bool is_client_;
  Octets initial_id_;
};

/// A session ticket (RFC 8446 §4.6.1).
struct HandTicket {
  Octets ticket, key;
  std::uint32_t age_add = 0;
};

/// A client by hand, against the Endpoint at `end`, whose key log `secrets` is.
class HandClient final : public HandPeer {
 public:
  HandClient(LinkEnd& end, const SecretCatcher& secrets,
             const Octets& invented_id = {0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08})
      : HandPeer(end, secrets, true) {
    peer_id = invented_id;
    set_initial_id(invented_id);
    extensions = client_extensions("server.test", encode(usual_parameters(own_id)));
  }

  std::vector<TlsExtension> extensions;
  Octets ciphers{0x13, 0x01}, session_id;
  std::optional<HandTicket> resumes;  ///< is offered, with 0-RTT

  /// A ClientHello made of the members above.
  void hello() {
    const Octets message = resumes ? resuming_hello() : client_hello(extensions, ciphers, session_id);
    append(transcript, message);
    send_crypto(Level::initial, message);
  }
  /// The client's Finished, which completes a correct handshake.
  void finish() {
    const Octets secret = secrets().secret(label(Level::handshake, true));
    if (secret.empty()) return;
    const Octets message = finished(secret, transcript);
    send_crypto(Level::handshake, message);
    append(transcript, message);
  }
  /// From the first NewSessionTicket that came after the handshake, which was done without a ticket.
  std::optional<HandTicket> ticket() const {
    const Octets& messages = crypto_received[static_cast<std::size_t>(Level::one_rtt)];
    const Octets& hello = crypto_received[static_cast<std::size_t>(Level::initial)];
    // Header, lifetime, age_add, nonce, ticket
    if (messages.size() < 13 || messages[0] != static_cast<std::uint8_t>(TlsMessage::new_session_ticket))
      return std::nullopt;
    HandTicket out;
    for (std::size_t i = 8; i < 12; ++i) out.age_add = out.age_add << 8 | messages[i];
    const std::size_t nonce_size = messages[12];
    const Bytes nonce = Bytes(messages).subspan(13, nonce_size);
    const Bytes rest = Bytes(messages).subspan(13 + nonce_size);
    const std::size_t size = std::size_t{rest[0]} << 8 | rest[1];
    append(out.ticket, rest.subspan(2, size));
    // Our X25519 key is the generator's, so what both sides share is the server's public key: the last of its
    // hello's key share, whose entry ends with those 32 octets.
    const Octets share = key_share_of(hello);
    const Octets zero(32);
    const Octets early = extract(zero, zero);
    const Octets handshake = extract(derive(early, "derived", {}), share);
    const Octets master = extract(derive(handshake, "derived", {}), zero);
    const Octets resumption = derive(master, "res master", transcript);
    out.key = PacketForge::expand(resumption, "resumption", 32, nonce);
    return out;
  }

 private:
  static Octets extract(const Octets& salt, const Octets& key) {
    Octets out(32);
    const gnutls_datum_t key_datum{const_cast<std::uint8_t*>(key.data()), static_cast<unsigned>(key.size())};
    const gnutls_datum_t salt_datum{const_cast<std::uint8_t*>(salt.data()),
                                    static_cast<unsigned>(salt.size())};
    gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &key_datum, &salt_datum, out.data());
    return out;
  }
  /// Derive-Secret (RFC 8446 §7.1).
  static Octets derive(const Octets& secret, std::string_view name, Bytes messages) {
    return PacketForge::expand(secret, name, 32, transcript_hash(messages));
  }
  /// The X25519 key in a ServerHello; empty when it has none.
  static Octets key_share_of(Bytes hello) {
    static constexpr std::array<std::uint8_t, 8> head{0, extension::key_share, 0, 36, 0, 0x1d, 0, 32};
    const auto found = std::search(hello.begin(), hello.end(), head.begin(), head.end());
    if (hello.end() - found < 40) return {};
    return {found + 8, found + 40};
  }
  /// RFC 8446 §4.2.11: the binder covers the message up to the list of binders.
  Octets resuming_hello() const {
    auto all = extensions;
    all.push_back({extension::early_data, {}});
    Octets identity;
    append_vector(identity, resumes->ticket, 2);
    append_integer(identity, resumes->age_add, 4);
    Octets content;
    append_vector(content, identity, 2);
    append_vector(content, Octets{32}, 2);
    content.resize(content.size() + 32);
    constexpr std::size_t binders_size = 2 + 1 + 32;
    content[content.size() - binders_size + 1] = 33;
    all.push_back({extension::pre_shared_key, content});
    Octets message = client_hello(all, ciphers, session_id);
    const Octets early = extract(Octets(32), resumes->key);
    const Octets binder =
        finished(derive(early, "res binder", {}), Bytes(message).first(message.size() - binders_size));
    std::copy(binder.begin() + 4, binder.end(), message.end() - 32);
    return message;
  }
  void on_crypto(Level level) override {
    // ServerHello, then everything to the server's Finished. (Nothing is expected of the client between.)
    if (level != Level::initial && level != Level::handshake) return;
    const auto at = static_cast<std::size_t>(level);
    append(transcript, Bytes(crypto_received[at]).subspan(heard_[at]));
    heard_[at] = crypto_received[at].size();
  }
  std::array<std::size_t, level_count> heard_{};
};

/// A server by hand, against the client's Connection at `end`, whose key log `secrets` is.
class HandServer final : public HandPeer {
 public:
  HandServer(LinkEnd& end, const SecretCatcher& secrets, const HandCertificate& certificate)
      : HandPeer(end, secrets, false), certificate_(certificate) {
    extensions = {{extension::alpn, alpn_list({"h3"})}};
    parameters = usual_parameters({});
    std::erase_if(parameters, [](const TransportParameter& each) { return each.id == 0x0f; });
  }

  std::vector<TlsExtension> hello_extensions = server_hello_extensions();
  std::vector<TlsExtension> extensions;        ///< in EncryptedExtensions, before transport parameters
  std::vector<TransportParameter> parameters;  ///< without those that name connection IDs
  bool sends_certificate = true, sends_parameters = true;

  /// The ClientHello is complete. The answer is not sent from here: that would be inside the client's
  /// sending.
  bool has_hello() const { return heard_; }
  /// All of a server's first flight.
  void answer() {
    say(Level::initial, server_hello(hello_extensions));
    // With the ServerHello the client has its Handshake keys.
    auto all = extensions;
    if (sends_parameters) {
      auto named = parameters;
      named.push_back({0x00, retry_id_ ? original_id_ : initial_id()});
      if (retry_id_) named.push_back({0x10, *retry_id_});
      named.push_back({0x0f, own_id});
      all.push_back({extension::transport_parameters, encode(named)});
    }
    say(Level::handshake, encrypted_extensions(all));
    if (sends_certificate) {
      say(Level::handshake, certificate_.message());
      say(Level::handshake, certificate_.verify(transcript));
    }
    finish();
  }
  /// A Retry packet (RFC 9000 §17.2.5) instead of an answer.
  void retry() {
    if (retry_id_) return;
    std::array<std::uint8_t, 256> packet;
    const Octets id{0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58}, proof(16, 0x77);
    const ngtcp2_cid to = to_native_id(peer_id), from = to_native_id(id),
                     original = to_native_id(initial_id());
    const ngtcp2_ssize size = ngtcp2_crypto_write_retry(packet.data(), packet.size(), version, &to, &from,
                                                        &original, proof.data(), proof.size());
    if (size <= 0) return;
    original_id_ = initial_id();
    retry_id_ = id;
    set_initial_id(id);
    heard_ = false;
    crypto_received = {};
    expected_number = {};
    send_datagram(Bytes(packet).first(static_cast<std::size_t>(size)));
  }
  void finish() {
    const Octets secret = secrets().secret(label(Level::handshake, false));
    if (!secret.empty()) say(Level::handshake, finished(secret, transcript));
  }
  /// A TLS message that the transcript covers.
  void say(Level level, const Octets& message) {
    append(transcript, message);
    send_crypto(level, message);
  }

 private:
  void on_crypto(Level level) override {
    const Octets& hello = crypto_received[static_cast<std::size_t>(Level::initial)];
    if (level != Level::initial || heard_ || hello.size() < 4) return;
    const std::size_t size = 4 + (std::size_t{hello[1]} << 16 | std::size_t{hello[2]} << 8 | hello[3]);
    if (hello.size() < size) return;
    transcript.assign(hello.begin(), hello.begin() + static_cast<std::ptrdiff_t>(size));
    heard_ = true;
  }

  const HandCertificate& certificate_;
  std::optional<Octets> retry_id_;
  Octets original_id_;  // before the Retry
  bool heard_ = false;
};

}  // namespace sallyport::quic::test
