#include "http/h2_callbacks.h"

#include "http/h2_connection.h"
#include "http/h2_error.h"

#include <algorithm>
#include <new>

namespace sallyport::http {

/// nghttp2's callbacks; `user` is the H2Connection, and a stream's user data its H2Exchange while that wants
/// to hear of it.
struct H2Callbacks {
  static H2Connection& connection_of(void* user) { return *static_cast<H2Connection*>(user); }
  static H2Exchange* exchange_of(nghttp2_session* session, std::int32_t id) {
    return static_cast<H2Exchange*>(nghttp2_session_get_stream_user_data(session, id));
  }

  // Receiving

  static int on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    H2Connection& connection = connection_of(user);
    connection.building_ = nullptr;
    if (connection.failure_) return connection.go_on();
    const std::int32_t id = frame->hd.stream_id;
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      auto owned = std::make_unique<H2Exchange>(connection.exchanges(), connection, true);
      H2Exchange& exchange = *owned;
      connection.exchanges().add(std::move(owned));
      nghttp2_session_set_stream_user_data(session, id, &exchange);
      exchange.attach(id);
      connection.building_ = &exchange;
      connection.builder_.begin_request(exchange.mutable_request(), Version::http2, true);
      return 0;
    }
    H2Exchange* const exchange = exchange_of(session, id);
    if (exchange == nullptr) return 0;
    connection.building_ = exchange;
    if (connection.is_server() || exchange->has_response())
      connection.builder_.begin_trailers(connection.trailers_, Version::http2);
    else
      connection.builder_.begin_response(connection.response_, Version::http2);
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame*, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t,
                       void* user) {
    H2Connection& connection = connection_of(user);
    if (connection.building_ != nullptr)
      connection.builder_.add(as_text({name, name_size}), as_text({value, value_size}));
    return connection.go_on();
  }

  static void headers_received(H2Connection& connection, const nghttp2_frame& frame) {
    H2Exchange* const exchange = std::exchange(connection.building_, nullptr);
    if (exchange == nullptr) return;
    HeadBuilder& builder = connection.builder_;
    const Verdict verdict = builder.finish();
    const bool end = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    // nghttp2 decodes all of it, which by references to large fields (RFC 7541) costs far more than to send
    // it.
    constexpr std::uint32_t large_section_cost = 20;
    if (verdict.fault == Fault::section_too_large) connection.count_abuse(large_section_cost);
    if (frame.headers.cat == NGHTTP2_HCAT_REQUEST) {
      // What PRIORITY_UPDATE said outweighs the field.
      if (const auto updated = connection.early_priorities_.take(frame.hd.stream_id)) {
        exchange->mutable_request().priority = *updated;
        connection.schedule(*exchange);
      }
      exchange->received_request(*connection.requests_, verdict, builder.content_length(), end);
    } else if (connection.is_server() || exchange->has_response()) {
      exchange->received_trailers(
          connection.trailers_,
          end ? verdict : Verdict{Fault::malformed, "they do not end the stream"});  // RFC 9113 §8.1
    } else {
      exchange->received_response(connection.response_, verdict, builder.content_length(), end);
    }
    if (end) exchange->received_end();
  }

  static void reset_received(H2Connection& connection, nghttp2_session* session, const nghttp2_frame& frame) {
    H2Exchange* const exchange = exchange_of(session, frame.hd.stream_id);
    if (exchange == nullptr) return;
    const std::uint32_t code = frame.rst_stream.error_code;
    // RFC 9113 §8.1: a server that needs no more of the request says so after its whole response.
    const bool benign = !connection.is_server() && code == NGHTTP2_NO_ERROR && exchange->receive_done();
    connection.detach(*exchange);
    if (exchange->receive_done())
      exchange->received_stop(benign, h2_stream_error(code));
    else
      exchange->received_reset(h2_stream_error(code));
    if (benign) exchange->transport_closed(nullptr);
  }

  // PRIORITY_UPDATE is the one type that is left to us: see H2PriorityUpdateReader.

  static int on_extension_chunk_recv(nghttp2_session*, const nghttp2_frame_hd*, const std::uint8_t* data,
                                     std::size_t size, void* user) {
    connection_of(user).priority_update_.add({data, size});
    return 0;
  }

  // on_frame_recv follows.
  static int unpack_extension(nghttp2_session*, void** payload, const nghttp2_frame_hd*, void*) {
    *payload = nullptr;
    return 0;
  }

  static int on_frame_recv(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    H2Connection& connection = connection_of(user);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        headers_received(connection, *frame);
        break;
      case NGHTTP2_DATA:
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
          if (H2Exchange* const exchange = exchange_of(session, frame->hd.stream_id))
            exchange->received_end();
        break;
      case NGHTTP2_RST_STREAM:
        reset_received(connection, session, *frame);
        break;
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
          connection.settings_acknowledged();
        else
          connection.settings_received();
        break;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 && connection.drain_.armed())
          connection.submit_final_goaway();
        break;
      case NGHTTP2_PRIORITY_UPDATE:
        connection.priority_update_received(frame->hd);
        break;
      case NGHTTP2_GOAWAY:
        connection.goaway_received(frame->goaway);
        break;
      default:
        break;
    }
    return connection.go_on();
  }

  static int on_data_chunk_recv(nghttp2_session* session, std::uint8_t, std::int32_t id,
                                const std::uint8_t* data, std::size_t size, void* user) {
    if (H2Exchange* const exchange = exchange_of(session, id))
      exchange->receive({data, size});
    else
      connection_of(user).credit_connection(size);
    return connection_of(user).go_on();
  }

  static int on_stream_close(nghttp2_session* session, std::int32_t id, std::uint32_t code, void* user) {
    H2Exchange* const exchange = exchange_of(session, id);
    if (exchange == nullptr) return 0;
    connection_of(user).credit_connection(exchange->detach());
    if (code == NGHTTP2_NO_ERROR) {
      exchange->transport_closed(nullptr);
    } else {
      // The peer's own RST_STREAM detached the exchange before: this one is nghttp2's, or the end of a
      // GOAWAY.
      const Error why =
          code == NGHTTP2_REFUSED_STREAM
              ? h2_stream_error(code)
              : Error{ErrorKind::protocol, "the peer violated the HTTP/2 protocol on this stream", code};
      exchange->transport_closed(&why);
    }
    return 0;
  }

  // Sending

  static ssize_t read_body(nghttp2_session* session, std::int32_t id, std::uint8_t*, std::size_t most,
                           std::uint32_t* flags, nghttp2_data_source*, void* user) {
    H2Exchange* const exchange = exchange_of(session, id);
    if (exchange == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::size_t size = std::min(most, exchange->queue().size());
    if (size == exchange->queue().size() && exchange->end_queued()) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (!exchange->trailers().empty()) {
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        H2FieldList& fields = connection_of(user).fields_;
        fields.set(exchange->trailers());
        nghttp2_submit_trailer(session, id, fields.data(), fields.size());
      }
    } else if (size == 0) {
      exchange->rest();
      return NGHTTP2_ERR_DEFERRED;
    }
    if (size > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    return static_cast<ssize_t>(size);
  }

  static int send_data(nghttp2_session* session, nghttp2_frame* frame, const std::uint8_t* head,
                       std::size_t size, nghttp2_data_source*, void* user) {
    H2Connection& connection = connection_of(user);
    H2Exchange* const exchange = exchange_of(session, frame->hd.stream_id);
    if (exchange == nullptr || exchange->queue().size() < size) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    constexpr std::size_t frame_head_size = 9;
    connection.gather().put(Bytes(head, frame_head_size));
    connection.gather().put(exchange->queue(), size);
    if (size > 0) connection.watch_.data_sent();
    exchange->sent_body(size);
    return connection.is_full() ? NGHTTP2_ERR_PAUSE : 0;
  }

  static int on_frame_send(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    H2Connection& connection = connection_of(user);
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      connection.goaway_sent(frame->goaway);
      return 0;
    }
    H2Exchange* const exchange = exchange_of(session, frame->hd.stream_id);
    if (exchange == nullptr) return 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA:
        exchange->touch_sent();
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) break;
        exchange->sent_end();
        if (exchange->wants_stop()) {
          connection.reset(*exchange, exchange->stop_code());
          exchange->transport_closed(nullptr);
        }
        break;
      case NGHTTP2_RST_STREAM:
        // Ours detach the exchange: this is nghttp2's, for what the peer did
        // (docs/threat-model.md, "Rapid Reset").
        ++connection.exchanges().counters.resets_out;
        connection.count_abuse(1);
        break;
      default:
        break;
    }
    return 0;
  }

  static int on_frame_not_send(nghttp2_session* session, const nghttp2_frame* frame, int error, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS || error != NGHTTP2_ERR_FRAME_SIZE_ERROR) return 0;
    H2Exchange* const exchange = exchange_of(session, frame->hd.stream_id);
    if (exchange == nullptr) return 0;
    // A stream that its request never opened must not be reset either (RFC 9113 §5.1).
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) connection_of(user).detach(*exchange);
    exchange->fail(ResetCode::internal_error,
                   {ErrorKind::too_large, "the field section is too large for HTTP/2"});
    return 0;
  }
};

namespace {

/// The tables that every session is made by, as long as the program runs.
struct Tables {
  Tables() {
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&options) != 0 ||
        nghttp2_option_new(&client_options) != 0)
      throw std::bad_alloc();
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, H2Callbacks::on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, H2Callbacks::on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, H2Callbacks::on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, H2Callbacks::on_data_chunk_recv);
    nghttp2_session_callbacks_set_on_extension_chunk_recv_callback(callbacks,
                                                                   H2Callbacks::on_extension_chunk_recv);
    nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, H2Callbacks::unpack_extension);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, H2Callbacks::on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, H2Callbacks::send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, H2Callbacks::on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, H2Callbacks::on_frame_not_send);
    set(options);
    set(client_options);
    // nghttp2 takes a 204 for a response without a body although it opens a tunnel (RFC 9110 §9.3.6). All
    // that it would look for in responses, HeadBuilder and ExchangeBase look for, too.
    nghttp2_option_set_no_http_messaging(client_options, 1);
  }
  static void set(nghttp2_option* options) {
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_max_send_header_block_length(options, 256 * 1024);
    // The abuse budget counts resets, among other things, and says ENHANCE_YOUR_CALM; nghttp2's own limit
    // would say INTERNAL_ERROR.
    nghttp2_option_set_stream_reset_rate_limit(options, 1'000'000, 1'000'000);
    // CONTINUATION counts as abuse, too, and a section has its size and its time. nghttp2's own limit of 8
    // may count one frame nine times when its head comes in pieces.
    nghttp2_option_set_max_continuations(options, 1'000'000);
    nghttp2_option_set_user_recv_extension_type(options, NGHTTP2_PRIORITY_UPDATE);
  }
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option *options = nullptr, *client_options = nullptr;
};

}  // namespace

H2Session open_h2_session(H2Connection& connection, bool server) {
  static const Tables tables;
  nghttp2_session* session = nullptr;
  const int error =
      server ? nghttp2_session_server_new2(&session, tables.callbacks, &connection, tables.options)
             : nghttp2_session_client_new2(&session, tables.callbacks, &connection, tables.client_options);
  if (error != 0) throw std::bad_alloc();  // the only way to fail
  return H2Session(session);
}

nghttp2_data_provider h2_body_provider() {
  return {.source = {}, .read_callback = H2Callbacks::read_body};
}

}  // namespace sallyport::http
