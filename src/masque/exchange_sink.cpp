#include "masque/exchange_sink.h"

namespace sallyport::masque {
namespace {

class ExchangeSink final : public http::ExchangeHandler {
 public:
  void on_body(http::Exchange& exchange, Bytes body) override { exchange.consume(body.size()); }
  void on_end(http::Exchange&) override {}
  void on_closed(http::Exchange&, const Error*) override {}
};

}  // namespace

http::ExchangeHandler& exchange_sink() {
  static ExchangeSink sink;
  return sink;
}

}  // namespace sallyport::masque
