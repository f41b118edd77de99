// swift-format-ignore-file: the lines are those of the files.

/// The events of the template `shop`. Byte for byte what examples/ holds (a test compares
/// them), so that a new project is one that CI runs.
enum ShopEvents {
  static let files: [ProjectTemplate.File] = [
    .init(
      "events/orders/2026-03-02.jsonl",
      #"""
      {"id":"op-1001","type":"OrderPlaced","key":"o-1001","time":"2026-03-02T08:12:40Z","data":{"customer":"ada@example.com","items":[{"name":"green tea 100 g","quantity":2,"price_cents":890},{"name":"tea pot","quantity":1,"price_cents":2450}],"total":42.3}}
      {"id":"op-1002","type":"OrderPlaced","key":"o-1002","time":"2026-03-02T09:47:05Z","data":{"customer":"ben@example.com","items":[{"name":"tea towel","quantity":1,"price_cents":1999}],"total":19.99,"note":"please no plastic"}}
      {"id":"op-1003","type":"OrderPlaced","key":"o-1003","time":"2026-03-02T14:20:31Z","data":{"customer":"chloe@example.com","items":[{"name":"gift box","quantity":1,"price_cents":350},{"name":"oolong 100 g","quantity":1,"price_cents":1290},{"name":"honey","quantity":1,"price_cents":525}],"total":21.65,"note":"a birthday present, no invoice in the parcel"}}
      {"id":"op-1004","type":"OrderPlaced","key":"o-1004","time":"2026-03-02T19:03:58Z","data":{"customer":"dmitri@example.com","items":[{"name":"cast iron pot","quantity":1,"price_cents":8900}],"total":89.0}}
      {"id":"op-1005","type":"OrderPlaced","key":"o-1005","time":"2026-03-03T07:30:12Z","data":{"customer":"ada@example.com","items":[{"name":"tea towel","quantity":3,"price_cents":1999}],"total":59.97}}
      {"id":"oc-1004","type":"OrderCancelled","key":"o-1004","time":"2026-03-03T08:00:00Z","data":{"reason":"changed my mind"}}
      {"id":"op-1006","type":"OrderPlaced","key":"o-1006","time":"2026-03-03T11:15:44Z","data":{"customer":"esi@example.com","items":[{"name":"cup","quantity":6,"price_cents":675},{"name":"gift box","quantity":2,"price_cents":350}],"total":47.5,"note":"gift for Kofi’s new flat"}}
      {"id":"op-1007","type":"OrderPlaced","key":"o-1007","time":"2026-03-03T16:52:09Z","data":{"customer":"ben@example.com","items":[{"name":"green tea 100 g","quantity":1,"price_cents":890},{"name":"whisk","quantity":1,"price_cents":1580}],"total":24.7}}

      """#),
    .init(
      "events/orders/2026-03-04.jsonl",
      #"""
      {"id":"op-1008","type":"OrderPlaced","version":2,"key":"o-1008","time":"2026-03-04T05:08:21Z","data":{"customer":"fumiko@example.com","items":[{"name":"whisk","quantity":2,"price_cents":1580},{"name":"oolong 100 g","quantity":4,"price_cents":1290}],"total_cents":8320}}
      {"id":"oc-1007","type":"OrderCancelled","key":"o-1007","time":"2026-03-04T09:12:18Z","data":{"reason":"out of stock"}}
      {"id":"op-1009","type":"OrderPlaced","version":2,"key":"o-1009","time":"2026-03-04T10:41:37Z","data":{"customer":"chloe@example.com","items":[{"name":"honey","quantity":2,"price_cents":525}],"total_cents":1050,"note":"ring twice"}}
      {"id":"op-1010","type":"OrderPlaced","version":2,"key":"o-1010","time":"2026-03-04T18:26:50Z","data":{"customer":"dmitri@example.com","items":[{"name":"cup","quantity":2,"price_cents":675},{"name":"tea pot","quantity":1,"price_cents":2450}],"total_cents":3800}}
      {"id":"op-1011","type":"OrderPlaced","version":2,"key":"o-1011","time":"2026-03-05T08:59:03Z","data":{"customer":"ada@example.com","items":[{"name":"gift box","quantity":1,"price_cents":350},{"name":"tea pot","quantity":1,"price_cents":2450},{"name":"green tea 100 g","quantity":1,"price_cents":890}],"total_cents":3690,"note":"birthday card inside, please"}}
      {"id":"op-1012","type":"OrderPlaced","version":2,"key":"o-1012","time":"2026-03-05T12:34:56Z","data":{"customer":"esi@example.com","items":[{"name":"oolong 100 g","quantity":1,"price_cents":1290}],"total_cents":1290}}
      {"id":"oc-1012","type":"OrderCancelled","key":"o-1012","time":"2026-03-05T15:10:09Z","data":{"reason":"ordered twice"}}
      {"id":"op-1013","type":"OrderPlaced","version":2,"key":"o-1013","time":"2026-03-05T21:17:30Z","data":{"customer":"ben@example.com","items":[{"name":"cast iron pot","quantity":1,"price_cents":8900},{"name":"tea towel","quantity":2,"price_cents":1999}],"total_cents":12898}}
      {"id":"op-1014","type":"OrderPlaced","version":2,"key":"o-1014","time":"2026-03-06T06:45:15Z","data":{"customer":"fumiko@example.com","items":[{"name":"cup","quantity":1,"price_cents":675},{"name":"honey","quantity":1,"price_cents":525}],"total_cents":1200}}
      {"id":"op-1015","type":"OrderPlaced","version":2,"key":"o-1015","time":"2026-03-06T13:05:42Z","data":{"customer":"chloe@example.com","items":[{"name":"green tea 100 g","quantity":3,"price_cents":890}],"total_cents":2670,"note":"leave it with the neighbour"}}
      {"id":"op-1016","type":"OrderPlaced","version":2,"key":"o-1016","time":"2026-03-06T17:38:27Z","data":{"customer":"dmitri@example.com","items":[{"name":"tea pot","quantity":2,"price_cents":2450}],"total_cents":4900}}

      """#),
    .init(
      "events/payments/provider.jsonl",
      #"""
      {"id":"pay-001","type":"PaymentCompleted","key":"o-1001","time":"2026-03-02T08:13:02Z","data":{"customer":"ada@example.com","amount_cents":4230,"method":"card"}}
      {"id":"pay-002","type":"PaymentCompleted","key":"o-1002","time":"2026-03-02T09:48:11Z","data":{"customer":"ben@example.com","amount_cents":1999,"method":"card"}}
      {"id":"pay-003","type":"PaymentCompleted","key":"o-1003","time":"2026-03-02T14:22:40Z","data":{"customer":"chloe@example.com","amount_cents":2165,"method":"transfer"}}
      {"id":"pay-004","type":"PaymentCompleted","key":"o-1004","time":"2026-03-02T19:05:00Z","data":{"customer":"dmitri@example.com","amount_cents":8900,"method":"card"}}
      {"id":"pay-005","type":"PaymentRefunded","key":"o-1004","time":"2026-03-03T08:30:00Z","data":{"customer":"dmitri@example.com","amount_cents":8900,"reason":"order cancelled"}}
      {"id":"pay-006","type":"PaymentFailed","key":"o-1005","time":"2026-03-03T07:31:19Z","data":{"customer":"ada@example.com","amount_cents":5997,"reason":"card expired"}}
      {"id":"pay-007","type":"PaymentCompleted","key":"o-1006","time":"2026-03-03T11:16:30Z","data":{"customer":"esi@example.com","amount_cents":4750,"method":"transfer"}}
      {"id":"pay-008","type":"PaymentCompleted","key":"o-1005","time":"2026-03-03T12:02:47Z","data":{"customer":"ada@example.com","amount_cents":5997,"method":"card"}}
      {"id":"pay-009","type":"PaymentCompleted","key":"o-1007","time":"2026-03-03T16:53:00Z","data":{"customer":"ben@example.com","amount_cents":2470,"method":"card"}}
      {"id":"pay-008","type":"PaymentCompleted","key":"o-1005","time":"2026-03-03T12:02:47Z","data":{"customer":"ada@example.com","amount_cents":5997,"method":"card"}}
      {"id":"pay-010","type":"PaymentCompleted","key":"o-1008","time":"2026-03-04T05:09:40Z","data":{"customer":"fumiko@example.com","amount_cents":8320,"method":"card"}}
      {"id":"pay-011","type":"PaymentRefunded","key":"o-1007","time":"2026-03-04T09:20:00Z","data":{"customer":"ben@example.com","amount_cents":2470,"reason":"order cancelled"}}
      {"id":"pay-012","type":"PaymentFailed","key":"o-1009","time":"2026-03-04T10:42:15Z","data":{"customer":"chloe@example.com","amount_cents":1050,"reason":"insufficient funds"}}
      {"id":"pay-013","type":"PaymentCompleted","key":"o-1010","time":"2026-03-04T18:27:31Z","data":{"customer":"dmitri@example.com","amount_cents":3800,"method":"card"}}
      {"id":"pay-014","type":"PaymentCompleted","key":"o-1011","time":"2026-03-05T09:00:10Z","data":{"customer":"ada@example.com","amount_cents":3690,"method":"card"}}
      {"id":"pay-015","type":"PaymentCompleted","key":"o-1013","time":"2026-03-05T21:18:44Z","data":{"customer":"ben@example.com","amount_cents":12898,"method":"transfer"}}
      {"id":"pay-016","type":"PaymentRefunded","key":"o-1006","time":"2026-03-06T06:40:00Z","data":{"customer":"esi@example.com","amount_cents":675,"reason":"one cup was broken"}}
      {"id":"pay-017","type":"PaymentCompleted","key":"o-1014","time":"2026-03-06T06:46:01Z","data":{"customer":"fumiko@example.com","amount_cents":1200,"method":"card"}}
      {"id":"pay-018","type":"PaymentCompleted","key":"o-1016","time":"2026-03-06T17:39:05Z","data":{"customer":"dmitri@example.com","amount_cents":4900,"method":"card"}}
      {"id":"pay-004","type":"PaymentCompleted","key":"o-1004","time":"2026-03-02T19:05:00Z","data":{"customer":"dmitri@example.com","amount_cents":8900,"method":"card"}}

      """#),
    .init(
      "events/shipments/carrier.jsonl",
      #"""
      {"id":"sh-1001-S","type":"OrderShipped","key":"o-1001","time":"2026-03-02T15:00:00Z","data":{"carrier":"bike courier","parcel":"RX926919DE"}}
      {"id":"sh-1002-S","type":"OrderShipped","key":"o-1002","time":"2026-03-02T15:00:00Z","data":{"carrier":"post","parcel":"RX934838DE"}}
      {"id":"sh-1001-D","type":"OrderDelivered","key":"o-1001","time":"2026-03-03T10:25:13Z","data":{"signed_by":"customer"}}
      {"id":"sh-1002-D","type":"OrderDelivered","key":"o-1002","time":"2026-03-03T11:40:52Z","data":{"signed_by":"neighbour"}}
      {"id":"sh-1003-S","type":"OrderShipped","key":"o-1003","time":"2026-03-03T15:00:00Z","data":{"carrier":"bike courier","parcel":"RX942757DE"}}
      {"id":"sh-1005-S","type":"OrderShipped","key":"o-1005","time":"2026-03-03T15:00:00Z","data":{"carrier":"bike courier","parcel":"RX958595DE"}}
      {"id":"sh-1005-D","type":"OrderDelivered","key":"o-1005","time":"2026-03-04T13:31:08Z","data":{"signed_by":"neighbour"}}
      {"id":"sh-1006-S","type":"OrderShipped","key":"o-1006","time":"2026-03-04T15:00:00Z","data":{"carrier":"post","parcel":"RX966514DE"}}
      {"id":"sh-1008-S","type":"OrderShipped","key":"o-1008","time":"2026-03-04T15:00:00Z","data":{"carrier":"post","parcel":"RX982352DE"}}
      {"id":"sh-1003-D","type":"OrderDelivered","key":"o-1003","time":"2026-03-05T09:02:27Z","data":{"signed_by":"customer"}}
      {"id":"sh-1010-S","type":"OrderShipped","key":"o-1010","time":"2026-03-05T15:00:00Z","data":{"carrier":"post","parcel":"RX998190DE"}}
      {"id":"sh-1011-S","type":"OrderShipped","key":"o-1011","time":"2026-03-05T15:00:00Z","data":{"carrier":"bike courier","parcel":"RX006109DE"}}
      {"id":"sh-1006-D","type":"OrderDelivered","key":"o-1006","time":"2026-03-05T16:44:39Z","data":{"signed_by":"customer"}}
      {"id":"sh-1008-D","type":"OrderDelivered","key":"o-1008","time":"2026-03-06T12:12:12Z","data":{"signed_by":"neighbour"}}
      {"id":"sh-1011-D","type":"OrderDelivered","key":"o-1011","time":"2026-03-06T14:55:01Z","data":{"signed_by":"neighbour"}}
      {"id":"sh-1013-S","type":"OrderShipped","key":"o-1013","time":"2026-03-06T15:00:00Z","data":{"carrier":"bike courier","parcel":"RX021947DE"}}

      """#),
  ]
}
