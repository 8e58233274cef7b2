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
        iterator(epoch: epoch, from: first, on: device, rank: 0, of: 1)
    }

    /// Whole batches are made, and cut: how long its texts are filled up to follows from all of a batch.
    func iterator(
        epoch: Int, from first: Int, on device: Device, rank: Int, of size: Int
    ) -> BatchIterator<Batch> {
        let ranks = Ranks(rank, of: size)
        let places = places(epoch)
        var number = first
        return BatchIterator {
            guard number < places.count else { return nil }
            defer { number += 1 }
            let batch = make(places[number], number)
            let share = ranks.share(of: batch.count)
            let part = share.map { batch.rows($0.rows) } ?? batch
            return SizedBatch(part.to(device), samples: batch.count, share: share)
        }
    }
}
