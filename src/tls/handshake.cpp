#include "tls/alert.h"
#include "tls/record_channel.h"
#include "tls/stream.h"
#include "tls/stream_impl.h"

#include <optional>
#include <string>
#include <utility>

namespace sallyport::tls {
namespace {

constexpr unsigned stream_flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL;

constexpr std::uint8_t alert_record = 21, handshake_record = 22;  // RFC 8446 §5.1

/// TLS tickets over TCP and over QUIC are separate, even for the same host.
std::string cache_key(const ClientOptions& options) {
  return "tcp/" + (options.origin.empty() ? options.host : options.origin);
}

class HandshakeImpl final : public Handshake, private net::ByteStreamReceiver {
 public:
  HandshakeImpl(net::Timers& timers, std::unique_ptr<net::ByteStream> transport, Duration timeout,
                Established established)
      : timers_(timers),
        channel_(std::make_unique<RecordChannel>(std::move(transport))),
        established_(std::move(established)),
        timer_(timers, [this, timeout](Time) { on_timeout(timeout); }),
        done_(timers, [this](Time) { call_back(); }) {
    timer_.arm(timers.now() + timeout);
  }
  ~HandshakeImpl() override {
    if (channel_) channel_->transport().set_receiver(nullptr);
  }

  std::unique_ptr<net::ByteStream> take_clear_text() override {
    if (!clear_text_) return nullptr;
    channel_->transport().set_receiver(nullptr);
    auto transport = channel_->take_transport();
    channel_.reset();
    return transport;
  }

  void start_server(const ServerOptions& options) {
    start(channel_->start_server({.carrier = Carrier::tcp,
                                  .flags = stream_flags,
                                  .credentials = options.credentials,
                                  .alpn = options.alpn,
                                  .ticket_key = options.ticket_key,
                                  .key_log = options.key_log}));
  }

  void start_client(const ClientOptions& options) {
    ClientSetup setup{.carrier = Carrier::tcp,
                      .flags = stream_flags | GNUTLS_KEY_SHARE_TOP,
                      .trust = options.trust,
                      .certificate = options.certificate,
                      .host = options.host,
                      .alpn = options.alpn,
                      .key_log = options.key_log};
    std::optional<SessionCache::Entry> remembered;
    if (options.sessions != nullptr) {
      remembered = options.sessions->find(cache_key(options));
      if (remembered) setup.ticket = remembered->ticket;
      setup.on_ticket = [sessions = options.sessions,
                         key = cache_key(options)](std::vector<std::uint8_t> ticket) {
        sessions->store(key, {.ticket = std::move(ticket)});
      };
    }
    start(channel_->start_client(std::move(setup)));
  }

 private:
  void start(Result<> started) {
    if (!started) return finish(started.error());
    channel_->join();
    net::ByteStream& transport = channel_->transport();
    transport.set_receiver(this);
    transport.set_reading(true);
    step();
  }

  void step() {
    for (;;) {
      const std::size_t before = channel_->input_size();
      const int code = gnutls_handshake(channel_->native());
      if (code == 0) return finish(std::nullopt);
      if (gnutls_error_is_fatal(code) != 0) {
        send_alert(code);
        channel_->flush();
        channel_->transport().finish();
        return finish(explain(code));
      }
      // Not fatal: GnuTLS needs more bytes, or received a message that it ignores.
      if (!channel_->has_input() || channel_->input_size() == before) break;
    }
    channel_->flush();
  }

  void send_alert(int code) {
    // GnuTLS sends bad_certificate for every fault of a certificate.
    if (const auto& why = channel_->verify_error(); why && code == GNUTLS_E_CERTIFICATE_ERROR) {
      gnutls_alert_send(channel_->native(), GNUTLS_AL_FATAL,
                        static_cast<gnutls_alert_description_t>(why->code));
      return;
    }
    // Instead of GnuTLS's decode_error: TLS 1.2 has no alert of its own for it (RFC 5246 §7.4.6).
    if (code == GNUTLS_E_NO_CERTIFICATE_FOUND && is_missing_certificate(code)) {
      gnutls_alert_send(channel_->native(), GNUTLS_AL_FATAL, GNUTLS_A_HANDSHAKE_FAILURE);
      return;
    }
    // Instead of GnuTLS's handshake_failure: the server used a signature algorithm that was not offered (RFC
    // 9155 §4).
    if (code == GNUTLS_E_UNSUPPORTED_SIGNATURE_ALGORITHM && channel_->server_credentials() == nullptr)
      gnutls_alert_send(channel_->native(), GNUTLS_AL_FATAL, GNUTLS_A_ILLEGAL_PARAMETER);
    else
      gnutls_alert_send_appropriate(channel_->native(), code);
  }

  /// The error is another one in TLS 1.3 and before.
  bool is_missing_certificate(int code) const {
    return channel_->server_credentials() != nullptr &&
           (code == GNUTLS_E_CERTIFICATE_REQUIRED || code == GNUTLS_E_NO_CERTIFICATE_FOUND);
  }

  AlertSender peer() const {
    return channel_->server_credentials() != nullptr ? AlertSender::client : AlertSender::server;
  }

  Error explain(int code) const {
    if (channel_->verify_error()) return *channel_->verify_error();
    std::optional<unsigned> alert = alerts_.alert();
    if (code == GNUTLS_E_FATAL_ALERT_RECEIVED) alert = gnutls_alert_get(channel_->native());
    if (alert) return {ErrorKind::tls, peer_alert_text(*alert, AlertTime::in_handshake, peer()), *alert};
    if (is_missing_certificate(code)) return {ErrorKind::tls, std::string(no_client_certificate)};
    if (not_tls_) return {ErrorKind::tls, "the peer does not speak TLS on this port"};
    return {ErrorKind::tls, "the TLS handshake failed: " + error_words(code)};
  }

  void on_timeout(Duration timeout) {
    finish(
        Error{ErrorKind::timeout, "the TLS handshake timed out after " + seconds_text(in_seconds(timeout))});
  }

  static std::string seconds_text(double seconds) {
    std::string text = std::to_string(seconds);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text + " s";
  }

  /// Defers the outcome to the end of the turn: the transport may be on the stack now, and must not be
  /// destroyed then.
  void finish(std::optional<Error> error) {
    // After the callback this may live on for a while, and the transport end.
    if (done_.requested() || !established_) return;
    timer_.disarm();
    channel_->flush();
    error_ = std::move(error);
    channel_->transport().set_reading(false);
    done_.request();
  }

  void call_back() {
    Established established = std::exchange(established_, nullptr);
    if (error_) {
      established(std::unexpected(*std::move(error_)));
    } else {
      channel_->keep_older_session();
      established(make_stream(timers_, std::move(channel_)));
    }
    // `this` may be gone.
  }

  // ByteStreamReceiver
  void on_bytes(Bytes bytes) override {
    if (!std::exchange(heard_, true)) {
      not_tls_ = bytes[0] != alert_record && bytes[0] != handshake_record;
      clear_text_ = channel_->server_credentials() != nullptr && bytes[0] >= 'A' && bytes[0] <= 'Z';
    }
    if (clear_text_)
      return finish(Error{ErrorKind::tls, "the client sent a plain HTTP request to the HTTPS port"});
    alerts_.feed(bytes);
    channel_->arrive(bytes);
    if (!done_.requested()) step();
    channel_->settle();
  }
  void on_end() override {
    finish(Error{ErrorKind::tls, "the peer closed the connection during the TLS handshake"});
  }
  void on_stream_error(const Error& why) override { finish(why); }

  net::Timers& timers_;
  std::unique_ptr<RecordChannel> channel_;
  Established established_;
  std::optional<Error> error_;
  AlertWatch alerts_;
  bool heard_ = false;
  bool not_tls_ = false;     // by the first byte that came
  bool clear_text_ = false;  // likewise
  net::Timer timer_;
  net::Deferred done_;
};

}  // namespace

std::unique_ptr<Handshake> accept(net::Timers& timers, std::unique_ptr<net::ByteStream> transport,
                                  const ServerOptions& options, Established established) {
  auto handshake =
      std::make_unique<HandshakeImpl>(timers, std::move(transport), options.timeout, std::move(established));
  handshake->start_server(options);
  return handshake;
}

std::unique_ptr<Handshake> connect(net::Timers& timers, std::unique_ptr<net::ByteStream> transport,
                                   const ClientOptions& options, Established established) {
  auto handshake =
      std::make_unique<HandshakeImpl>(timers, std::move(transport), options.timeout, std::move(established));
  handshake->start_client(options);
  return handshake;
}

}  // namespace sallyport::tls
