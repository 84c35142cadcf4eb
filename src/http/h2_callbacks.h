// The nghttp2 session of an H2Connection: its options, and the callbacks by which nghttp2 tells what came and
// asks for what is to go.
#pragma once

#include <memory>

#include <nghttp2/nghttp2.h>

namespace sallyport::http {

class H2Connection;

struct DeleteH2Session {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};
using H2Session = std::unique_ptr<nghttp2_session, DeleteH2Session>;

/// `connection` must outlive the session.
H2Session open_h2_session(H2Connection& connection, bool server);
/// Asks the stream's H2Exchange for its body.
nghttp2_data_provider h2_body_provider();

}  // namespace sallyport::http
