#include "http/h1_exchange.h"

#include "http/h1_connection.h"

namespace sallyport::http {

H1Exchange::H1Exchange(ExchangeSet& set, H1Connection& connection, Version version, bool server)
    : ExchangeBase(set, connection, version, server), h1_(connection) {}

void H1Exchange::submit_head(const Response& head, bool end) {
  h1_.send_head(*this, head, end);
}
void H1Exchange::submit_body() {
  h1_.send_body(*this);
}
void H1Exchange::submit_reset(ResetCode code) {
  h1_.reset(*this, code);
}
void H1Exchange::submit_stop(ResetCode) {
  h1_.stop(*this);
}
void H1Exchange::submit_credit(std::size_t bytes) {
  h1_.credit(*this, bytes);
}
void H1Exchange::submit_limit() {
  h1_.credit(*this, 0);
}
void H1Exchange::tunnel_opened() {
  h1_.open_tunnel(*this);
}

}  // namespace sallyport::http
