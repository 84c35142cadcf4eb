// How a connection ends (RFC 9000 §10): decided anywhere, carried out at the end of the turn, when ngtcp2 is
// in no callback.
#include "base/escape.h"
#include "quic/connection_impl.h"
#include "quic/native.h"
#include "quic/packet_protection.h"

#include <array>

namespace sallyport::quic {
namespace {

using Impl = Connection::Impl;

constexpr std::size_t longest_reason = 200;

trace::Closing::Cause cause_of(Closed::By by) {
  using Cause = trace::Closing::Cause;
  switch (by) {
    case Closed::By::idle_timeout:
      return Cause::idle_timeout;
    case Closed::By::handshake_timeout:
      return Cause::handshake_timeout;
    case Closed::By::stateless_reset:
      return Cause::stateless_reset;
    case Closed::By::version:
      return Cause::version_mismatch;
    case Closed::By::path:
      return Cause::path;
    case Closed::By::us:
    case Closed::By::peer:
      break;
  }
  return Cause::connection_close;
}

void record_end(trace::Recorder& recorder, const Closed& closed, Time at) {
  recorder.state(at, closed.by == Closed::By::us     ? "closing"
                     : closed.by == Closed::By::peer ? "draining"
                                                     : "closed");
  recorder.closed(at, {.cause = cause_of(closed.by),
                       .by_peer = closed.by == Closed::By::peer || closed.by == Closed::By::stateless_reset,
                       .application = closed.application,
                       .code = closed.code,
                       .reason = closed.reason});
}

}  // namespace

void Impl::end(Closed why, bool tell_peer) {
  if (ending || closed) return;
  ending = std::make_unique<Ending>(Ending{std::move(why), tell_peer});
  flush_work.request();
}

int Impl::callback_result(const Result<>& result) {
  if (result) return 0;
  end({.by = Closed::By::us,
       .application = true,
       .code = result.error().code,
       .reason = result.error().message},
      true);
  return NGTCP2_ERR_CALLBACK_FAILURE;
}

void Impl::end_with_native_error(int error) {
  if (ending || closed) return;  // a callback decided already
  switch (error) {
    case NGTCP2_ERR_IDLE_CLOSE:
      end({.by = Closed::By::idle_timeout}, false);
      return;
    case NGTCP2_ERR_HANDSHAKE_TIMEOUT:
      end({.by = Closed::By::handshake_timeout}, false);
      return;
    case NGTCP2_ERR_NO_VIABLE_PATH:
      end({.by = Closed::By::path, .reason = "no viable path to the peer"}, false);
      return;
    case NGTCP2_ERR_CRYPTO: {
      const std::uint8_t alert = ngtcp2_conn_get_tls_alert(conn.get());
      const Error why = tls ? tls->failure(alert)
                            : Error{ErrorKind::tls, "unexpected TLS message after the handshake", alert};
      end({.by = Closed::By::us, .code = Closed::crypto_error_first | why.code, .reason = why.message}, true);
      return;
    }
    default:
      end({.by = Closed::By::us,
           .code = ngtcp2_err_infer_quic_transport_error_code(error),
           .reason = ngtcp2_strerror(error)},
          true);
  }
}

void Impl::end_closed_by_peer() {
  const ngtcp2_ccerr* native = ngtcp2_conn_get_ccerr(conn.get());
  Closed why{.by = Closed::By::peer, .by_server = !is_server, .established = handshake_completed};
  why.application = native->type == NGTCP2_CCERR_TYPE_APPLICATION;
  why.code = native->error_code;
  // Unescaped: it is escaped where it is printed.
  why.reason = utf8_front(as_text({native->reason, native->reasonlen}), longest_reason);
  end(std::move(why), false);
}

std::vector<std::uint8_t> Impl::write_close(const Closed& why, Time at) {
  const TapScope scope(tap);
  ngtcp2_ccerr native;
  // A TLS failure is sent as its alert only: the error text may name our certificates and files.
  const std::string_view reason =
      why.is_tls_alert() ? std::string_view{} : utf8_front(why.reason, longest_reason);
  const auto* words = reinterpret_cast<const std::uint8_t*>(reason.data());
  if (why.application)
    ngtcp2_ccerr_set_application_error(&native, why.code, words, reason.size());
  else
    ngtcp2_ccerr_set_transport_error(&native, why.code, words, reason.size());
  std::array<std::uint8_t, minimum_udp_payload> packet;
  ngtcp2_path_storage to;
  ngtcp2_path_storage_zero(&to);
  ngtcp2_pkt_info info;
  const ngtcp2_ssize size = ngtcp2_conn_write_connection_close(conn.get(), &to.path, &info, packet.data(),
                                                               packet.size(), &native, to_native(at));
  if (size <= 0) return {};
  const Bytes bytes{packet.data(), static_cast<std::size_t>(size)};
  send_run(to_net_path(to.path), {bytes, bytes.size()});
  return {bytes.begin(), bytes.end()};
}

void Impl::carry_out_end(Time at) {
  closed = std::make_unique<Closed>(std::move(ending->why));
  if (ending->tell_peer) close_packet = write_close(*closed, at);
  ending.reset();
  timer.disarm();
  queue.clear();
  if (recorder) record_end(*recorder, *closed, at);
  // A server's Application exists only after its first callback.
  if (keeper == nullptr) {
    application->on_closed(*closed);
    return;
  }
  if (!handshake_completed) keeper->on_handshake_end(*member, false);
  // Closing or draining period (RFC 9000 §10.2); none after an idle timeout.
  const bool peer_may_send = closed->by == Closed::By::us || closed->by == Closed::By::peer;
  const Duration keep = peer_may_send ? 3 * probe_timeout() : Duration::zero();
  if (application != nullptr) application->on_closed(*closed);
  keeper->on_ended(*member, std::move(close_packet), keep);
}

void Impl::answer_closed(const net::NetPath& from, std::size_t datagrams) {
  if (!close_packet.empty() && close_answers.is_due(datagrams))
    send_run(from, {close_packet, close_packet.size()});
}

}  // namespace sallyport::quic
