// ngtcp2's callbacks while it reads, writes or handles a deadline, passed on to the Application.
#include "quic/connection_impl.h"
#include "quic/native.h"
#include "quic/packet_protection.h"

#include <cstring>

#include <gnutls/gnutls.h>

namespace sallyport::quic {
namespace {

using Impl = Connection::Impl;

Impl& impl_of(void* user_data) {
  return *static_cast<Impl*>(user_data);
}

/// ngtcp2 1.11 counts the connection ID of its fallback path as active although it is retired, and so closes
/// the connection of a client that keeps to active_connection_id_limit. So one more ID is accepted than was
/// advertised.
void allow_for_retired_fallback(ngtcp2_conn* conn) {
  const_cast<ngtcp2_transport_params*>(ngtcp2_conn_get_local_transport_params(conn))
      ->active_connection_id_limit = advertised_connection_ids + 1;
}

int on_handshake_completed(ngtcp2_conn* conn, void* user_data) {
  Impl& impl = impl_of(user_data);
  impl.peer_datagrams = impl.face->peer_takes_datagrams();
  impl.handshake_completed = true;
  allow_for_retired_fallback(conn);
  impl.final_version = impl.version();
  impl.session_info = impl.tls->info();
  impl.established = impl.now;
  impl.mtu.set_limit(impl.path_limit(), impl.now);  // the peer's own limit is known now
  impl.mtu.start(impl.now);
  if (impl.recorder) {
    impl.recorder->alpn(impl.now, impl.session_info.alpn);
    impl.recorder->state(impl.now, "handshake_complete");
  }
  if (impl.is_server) {
    // Tickets and tokens are bound to the original version (RFC 9369 §5); after version negotiation they
    // would be refused later.
    if (impl.version() == impl.first_version) {
      // Without a ticket or a token, the client's next connection does a full handshake.
      [[maybe_unused]] const Result<> ticket = impl.tls->send_ticket();
      const auto token =
          impl.keeper->make_address_token(to_net_path(*ngtcp2_conn_get_path(conn)), impl.version(), impl.now);
      if (!token.empty()) ngtcp2_conn_submit_new_token(conn, token.data(), token.size());
    }
    impl.keeper->on_handshake_end(*impl.member, true);
    return 0;
  }
  if (impl.early_data) {
    impl.early_data = false;
    if (!impl.session_info.early_data_accepted && ngtcp2_conn_tls_early_data_rejected(conn) != 0)
      return NGTCP2_ERR_CALLBACK_FAILURE;
  }
  impl.streams_open = true;
  impl.app().on_established(impl.now);
  return 0;
}

int on_handshake_confirmed(ngtcp2_conn*, void* user_data) {
  Impl& impl = impl_of(user_data);
  if (impl.recorder) impl.recorder->state(impl.now, "handshake_confirmed");
  return 0;
}

int on_crypto_data(ngtcp2_conn* conn, ngtcp2_encryption_level level, std::uint64_t offset,
                   const std::uint8_t* data, std::size_t size, void* user_data) {
  if (impl_of(user_data).tls != nullptr) {
    const int error = ngtcp2_crypto_recv_crypto_data_cb(conn, level, offset, data, size, user_data);
    // GnuTLS's error for a message at a discarded encryption level. QUIC has no TLS records.
    if (error != 0 && ngtcp2_conn_get_tls_alert(conn) == GNUTLS_A_BAD_RECORD_MAC)
      ngtcp2_conn_set_tls_alert(conn, GNUTLS_A_UNEXPECTED_MESSAGE);
    // A client that resumes with early data offers the key share used before. If it needs a HelloRetryRequest
    // nevertheless, it must continue without early data.
    if (error == 0 && impl_of(user_data).is_server && is_early_key_alone(impl_of(user_data).binding)) {
      ngtcp2_conn_set_tls_alert(conn, GNUTLS_A_HANDSHAKE_FAILURE);
      return NGTCP2_ERR_CRYPTO;
    }
    return error;
  }
  // No message is allowed here: KeyUpdate is forbidden (RFC 9001 §6), and a client certificate is requested
  // in the handshake alone.
  ngtcp2_conn_set_tls_alert(conn, GNUTLS_A_UNEXPECTED_MESSAGE);
  return NGTCP2_ERR_CRYPTO;
}

/// A server may send 1-RTT packets with its first flight (0.5-RTT), so SETTINGS reach the client with it.
int on_send_key(ngtcp2_conn* conn, ngtcp2_encryption_level level, void* user_data) {
  Impl& impl = impl_of(user_data);
  if (impl.recorder && level == NGTCP2_ENCRYPTION_LEVEL_1RTT)
    impl.record_parameters(trace::Direction::received, ngtcp2_conn_get_remote_transport_params(conn));
  if (!impl.is_server || level != NGTCP2_ENCRYPTION_LEVEL_1RTT || impl.streams_open) return 0;
  impl.session_info = impl.tls->info();
  impl.streams_open = true;
  impl.app().on_established(impl.now);
  return 0;
}

int on_early_data_rejected(ngtcp2_conn*, void* user_data) {
  Impl& impl = impl_of(user_data);
  if (impl.recorder) impl.recorder->note(impl.now, "0-RTT rejected by the server");
  impl.silence.requests = 0;
  impl.windows.clear();
  impl.app().on_early_data_rejected(impl.now);
  return 0;
}

int on_stream_data(ngtcp2_conn*, std::uint32_t flags, std::int64_t id, std::uint64_t,
                   const std::uint8_t* data, std::size_t size, void* user_data, void*) {
  Impl& impl = impl_of(user_data);
  impl.on_heard();
  return impl.callback_result(
      impl.app().on_stream_data(id, {data, size}, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0));
}

int on_stream_reset(ngtcp2_conn*, std::int64_t id, std::uint64_t, std::uint64_t code, void* user_data,
                    void*) {
  Impl& impl = impl_of(user_data);
  return impl.callback_result(impl.app().on_stream_reset(id, code));
}

int on_stream_close(ngtcp2_conn*, std::uint32_t flags, std::int64_t id, std::uint64_t code, void* user_data,
                    void*) {
  const bool was_reset = (flags & NGTCP2_STREAM_CLOSE_FLAG_APP_ERROR_CODE_SET) != 0;
  Impl& impl = impl_of(user_data);
  if (is_bidirectional(id) && impl.silence.requests > 0) --impl.silence.requests;
  impl.app().on_stream_closed(id, was_reset ? code : 0, was_reset);
  impl.windows.forget(id);
  return 0;
}

int on_stream_acked(ngtcp2_conn*, std::int64_t id, std::uint64_t, std::uint64_t count, void* user_data,
                    void*) {
  impl_of(user_data).app().on_stream_acked(id, static_cast<std::size_t>(count));
  return 0;
}

int on_stream_credit(ngtcp2_conn*, std::int64_t id, std::uint64_t, void* user_data, void*) {
  impl_of(user_data).app().on_stream_unblocked(id);
  return 0;
}

int on_more_streams(ngtcp2_conn*, std::uint64_t, void* user_data) {
  Impl& impl = impl_of(user_data);
  // The peer's initial limits come with the handshake; on_established() reports them.
  if (impl.streams_open) impl.app().on_streams_available();
  return 0;
}

int on_datagram(ngtcp2_conn*, std::uint32_t, const std::uint8_t* data, std::size_t size, void* user_data) {
  Impl& impl = impl_of(user_data);
  impl.on_heard();
  impl.datagram_is_padding = false;
  impl.app().on_datagram({data, size}, impl.now);
  if (impl.datagram_is_padding) return 0;
  ++impl.datagrams_received;
  impl.datagram_bytes_received += size;
  return 0;
}

int on_lost_datagram(ngtcp2_conn*, std::uint64_t id, void* user_data) {
  if (id != Impl::padding_id) ++impl_of(user_data).datagrams_lost;
  return 0;
}

int on_new_id(ngtcp2_conn*, ngtcp2_cid* id, std::uint8_t* token, std::size_t size, void* user_data) {
  Impl& impl = impl_of(user_data);
  if (impl.is_server) {
    if (!impl.keeper->make_id(*id, token)) return NGTCP2_ERR_CALLBACK_FAILURE;
    impl.keeper->add_id(*impl.member, *id);
    return 0;
  }
  id->datalen = size;
  impl.random.fill({id->data, size});
  // A client sends no stateless resets, so its token is never used.
  impl.random.fill({token, NGTCP2_STATELESS_RESET_TOKENLEN});
  return 0;
}

int on_id_retired(ngtcp2_conn*, const ngtcp2_cid* id, void* user_data) {
  Impl& impl = impl_of(user_data);
  if (impl.is_server) impl.keeper->remove_id(*id);
  return 0;
}

/// Path validation ended (RFC 9000 §8.2), for our migration or the peer's.
int on_path_validation(ngtcp2_conn*, std::uint32_t, const ngtcp2_path* path, const ngtcp2_path*,
                       ngtcp2_path_validation_result result, void* user_data) {
  Impl& impl = impl_of(user_data);
  if (result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS)
    impl.on_path_validated(to_net_path(*path));
  else if (impl.client && impl.client->next_path != nullptr && same_path(*path, impl.client->next_net_path))
    impl.give_up_next_path();
  return 0;
}

/// Unprotected packets do not pass the packet protection callbacks.
void record_unprotected(Impl& impl, trace::PacketType type, Bytes payload = {}) {
  if (!impl.recorder) return;
  trace::Packet packet;
  packet.type = type;
  packet.frames = payload;
  impl.recorder->packet(impl.now, trace::Direction::received, packet);
}

int on_stateless_reset(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*, void* user_data) {
  Impl& impl = impl_of(user_data);
  record_unprotected(impl, trace::PacketType::stateless_reset);
  impl.end({.by = Closed::By::stateless_reset}, false);
  return 0;
}

int on_version_negotiation(ngtcp2_conn*, const ngtcp2_pkt_hd*, const std::uint32_t* versions,
                           std::size_t count, void* user_data) {
  Impl& impl = impl_of(user_data);
  impl.client->offered.assign(versions, versions + count);
  if (!impl.recorder) return 0;
  std::vector<std::uint8_t> list;
  for (const std::uint32_t version : impl.client->offered)
    for (const unsigned shift : {24, 16, 8, 0}) list.push_back(static_cast<std::uint8_t>(version >> shift));
  record_unprotected(impl, trace::PacketType::version_negotiation, list);
  return 0;
}

int on_retry(ngtcp2_conn* conn, const ngtcp2_pkt_hd* header, void* user_data) {
  Impl& impl = impl_of(user_data);
  impl.retried = true;
  record_unprotected(impl, trace::PacketType::retry);
  return ngtcp2_crypto_recv_retry_cb(conn, header, user_data);
}

int on_peer_id_status(ngtcp2_conn*, ngtcp2_connection_id_status_type type, std::uint64_t, const ngtcp2_cid*,
                      const std::uint8_t*, void* user_data) {
  if (type == NGTCP2_CONNECTION_ID_STATUS_TYPE_ACTIVATE) impl_of(user_data).tap.guard().on_handshake_left();
  return 0;
}

int on_new_token(ngtcp2_conn*, const std::uint8_t* token, std::size_t size, void* user_data) {
  Impl& impl = impl_of(user_data);
  if (size > longest_address_token) return 0;
  impl.store_token({token, size});
  return 0;
}

void fill_random(std::uint8_t* out, std::size_t size, const ngtcp2_rand_ctx* context) {
  static_cast<Random*>(context->native_handle)->fill({out, size});
}

int fill_path_challenge(ngtcp2_conn*, std::uint8_t* out, void* user_data) {
  impl_of(user_data).random.fill({out, NGTCP2_PATH_CHALLENGE_DATALEN});
  return 0;
}

}  // namespace

void Impl::fill(ngtcp2_callbacks& callbacks) const {
  install_packet_protection(callbacks);
  callbacks.recv_crypto_data = on_crypto_data;
  callbacks.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  callbacks.rand = fill_random;
  callbacks.get_path_challenge_data = fill_path_challenge;
  callbacks.handshake_completed = on_handshake_completed;
  callbacks.handshake_confirmed = on_handshake_confirmed;
  callbacks.recv_tx_key = on_send_key;
  callbacks.recv_stream_data = on_stream_data;
  callbacks.stream_reset = on_stream_reset;
  callbacks.stream_close = on_stream_close;
  callbacks.acked_stream_data_offset = on_stream_acked;
  callbacks.extend_max_stream_data = on_stream_credit;
  callbacks.extend_max_local_streams_bidi = on_more_streams;
  callbacks.extend_max_local_streams_uni = on_more_streams;
  callbacks.recv_datagram = on_datagram;
  callbacks.lost_datagram = on_lost_datagram;
  callbacks.get_new_connection_id = on_new_id;
  callbacks.remove_connection_id = on_id_retired;
  callbacks.path_validation = on_path_validation;
  if (is_server) {
    callbacks.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
  } else {
    callbacks.client_initial = ngtcp2_crypto_client_initial_cb;
    callbacks.recv_retry = on_retry;
    callbacks.recv_version_negotiation = on_version_negotiation;
    callbacks.recv_new_token = on_new_token;
    callbacks.recv_stateless_reset = on_stateless_reset;
    callbacks.dcid_status = on_peer_id_status;
    callbacks.tls_early_data_rejected = on_early_data_rejected;
  }
}

}  // namespace sallyport::quic
