import Gimbal

/// The batches that a model of tokens is trained on, made when their turn comes: copying tokens takes no time.
struct TokenBatches<Place>: TrainingData {
    let batchesPerEpoch: Int?
    let samplesPerEpoch: Int?
    let examples: (any SupervisedData)?
    /// What each batch of an epoch is made of, in its order.
    let places: (_ epoch: Int) -> [Place]
    /// Makes a batch.
    let make: (_ place: Place, _ number: Int) -> HostBatch

    func iterator(epoch: Int, from first: Int, on device: Device) -> BatchIterator<Batch> {
        let places = places(epoch)
        var number = first
        return BatchIterator {
            guard number < places.count else { return nil }
            defer { number += 1 }
            let batch = make(places[number], number)
            return SizedBatch(batch.to(device), samples: batch.count)
        }
    }
}
