// H1Exchange: one request and its response on an HTTP/1.1 connection, or the tunnel it became. Owned by the
// ExchangeSet of its H1Connection, which does all the work: there is but one at a time.
#pragma once

#include "http/exchange_base.h"

namespace sallyport::http {

class H1Connection;

class H1Exchange final : public ExchangeBase {
 public:
  H1Exchange(ExchangeSet& set, H1Connection& connection, Version version, bool server);

  std::int64_t stream_id() const override { return 0; }

  Request& mutable_request() { return request_; }
  using ExchangeBase::begin_request;
  bool is_upgrade() const { return !request_.protocol.empty(); }

 private:
  void submit_head(const Response& head, bool end) override;
  void submit_body() override;
  void submit_reset(ResetCode code) override;
  void submit_stop(ResetCode code) override;
  void submit_credit(std::size_t bytes) override;
  bool peer_blocks() const override { return true; }  // there is no other
  void tunnel_opened() override;
  void submit_limit() override;

  H1Connection& h1_;
};

}  // namespace sallyport::http
