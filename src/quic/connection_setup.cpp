// Settings of the ngtcp2_conn of both sides.
#include "quic/connection_impl.h"
#include "quic/native.h"
#include "quic/packet_protection.h"

#include <fmt/format.h>
#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto_gnutls.h>

namespace sallyport::quic {
namespace {

using Impl = Connection::Impl;

ngtcp2_cc_algo to_native(CongestionControl algorithm) {
  switch (algorithm) {
    case CongestionControl::bbr:
      return NGTCP2_CC_ALGO_BBR;
    case CongestionControl::reno:
      return NGTCP2_CC_ALGO_RENO;
    case CongestionControl::cubic:
      break;
  }
  return NGTCP2_CC_ALGO_CUBIC;
}

}  // namespace

std::string path_too_narrow(std::size_t bytes) {
  return fmt::format("the path carries datagrams of at most {} bytes, QUIC needs {}", bytes,
                     minimum_udp_payload);
}

void Impl::fill(ngtcp2_settings& settings, ngtcp2_transport_params& parameters,
                const std::vector<std::uint16_t>& probe_sizes) const {
  ngtcp2_settings_default(&settings);
  settings.cc_algo = to_native(config->congestion_control);
  settings.initial_ts = quic::to_native(now);
  settings.max_tx_udp_payload_size = std::max(minimum_udp_payload, config->max_udp_payload);
  settings.no_tx_udp_payload_size_shaping = 1;  // PathMtu does it
  // ngtcp2's search stays on even where it is not wanted: it insists on it when a peer moves back to an old
  // path. Without room for them (PathMtu::wants_probe) its probes never leave.
  settings.pmtud_probes = probe_sizes.data();
  settings.pmtud_probeslen = probe_sizes.size();
  settings.max_window = config->maximum_connection_window;
  settings.max_stream_window = 0;  // StreamWindows does it
  settings.ack_thresh = config->ack_threshold;
  settings.handshake_timeout = quic::to_native(config->handshake_timeout);
  settings.preferred_versions = config->versions.data();
  settings.preferred_versionslen = config->versions.size();
  settings.available_versions = config->versions.data();
  settings.available_versionslen = config->versions.size();
  settings.rand_ctx.native_handle = &random;

  ngtcp2_transport_params_default(&parameters);
  parameters.initial_max_data = config->initial_connection_window;
  parameters.initial_max_stream_data_bidi_local = config->initial_stream_window;
  parameters.initial_max_stream_data_bidi_remote = config->initial_stream_window;
  parameters.initial_max_stream_data_uni = config->initial_stream_window;
  parameters.initial_max_streams_bidi = config->peer_bidirectional_streams;
  parameters.initial_max_streams_uni = config->peer_unidirectional_streams;
  parameters.max_idle_timeout = quic::to_native(config->idle_timeout);
  parameters.active_connection_id_limit = advertised_connection_ids;
  parameters.max_datagram_frame_size = config->max_datagram_frame_size;
  // A nested client knows its path's size, the server at the other end does not. max_udp_payload_size tells
  // the server, so it need not find the size by losing packets that carry inner connections.
  if (!is_server)
    parameters.max_udp_payload_size =
        std::clamp<std::uint64_t>(path->max_datagram_size(), minimum_udp_payload, 65'527);
}

Result<> Impl::begin(std::unique_ptr<tls::QuicSession> session, Bytes original_id, const std::string& title) {
  ngtcp2_conn* const native = conn.get();
  if (first_destination.datalen == 0) first_destination = to_native_id(original_id);
  tls = std::move(session);
  binding = {
      {[](ngtcp2_crypto_conn_ref* ref) { return static_cast<Impl*>(ref->user_data)->conn.get(); }, this}};
  gnutls_session_set_ptr(tls->native(), &binding);
  const int configured = is_server ? ngtcp2_crypto_gnutls_configure_server_session(tls->native())
                                   : ngtcp2_crypto_gnutls_configure_client_session(tls->native());
  if (configured != 0) return fail(ErrorKind::tls, "GnuTLS cannot be set up for QUIC");
  install_secrets_hook(tls->native());
  ngtcp2_conn_set_tls_native_handle(native, tls->native());
  if (config->keep_alive > Duration::zero())
    ngtcp2_conn_set_keep_alive_timeout(native, quic::to_native(config->keep_alive));
  mtu.set_limit(path_limit(), now);

  if (recorders == nullptr || recorder) return {};
  recorder = recorders->start(now, {.vantage = is_server ? trace::Vantage::server : trace::Vantage::client,
                                    .original_destination_id = original_id,
                                    .title = title});
  tap.set_recorder(recorder.get());
  if (recorder) {
    recorder->state(now, "handshake_started");
    recorder->path(now, current_path, mtu.proven());
    record_parameters(trace::Direction::sent, ngtcp2_conn_get_local_transport_params(native));
  }
  return {};
}

void Impl::record_parameters(trace::Direction owner, const ngtcp2_transport_params* parameters) {
  if (parameters == nullptr) return;
  const ngtcp2_ssize size = ngtcp2_transport_params_encode(nullptr, 0, parameters);
  if (size <= 0) return;
  std::vector<std::uint8_t> encoded(static_cast<std::size_t>(size));
  if (ngtcp2_transport_params_encode(encoded.data(), encoded.size(), parameters) == size)
    recorder->transport_parameters(now, owner, encoded);
}

}  // namespace sallyport::quic
