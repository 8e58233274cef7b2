/// From where on something counts as a sign or a cause. Each may be changed; what is set has its reason beside it.
public struct Thresholds: Codable, Sendable, Equatable {
    /// The factor by which signal or gradient may shrink over all layers. Plain nets of ten layers of ReLU with the weights
    /// that layers have by themselves keep 0.41 in each, which is 1.3e-4, and they train.
    public var vanishing = 1e-4
    /// The factor by which signal or gradient may grow over all layers.
    public var exploding = 1e3
    /// The share of a layer's units that may be off for a whole batch. Where samples look alike, as they do far behind the
    /// first layer of a plain net, centred weights have half of the units off for all of them.
    public var deadShare = 0.9
    /// The share of all units that the first steps may switch off for a whole batch.
    public var diedShare = 0.5
    /// The share of a layer's elements that may be saturated.
    public var saturatedShare = 0.5
    /// By how many times the first loss may exceed that of a guess.
    public var firstLoss = 4.0
    /// How far from 1 the deviation of inputs may be, in both directions. Standardised data has 1, pixels in 0...1 about
    /// 0.3, pixels in 0...255 about 80.
    public var inputScale = 20.0
    /// How many times the deviation of one input feature may be that of another.
    public var featureRatio = 1e3
    /// The least deviation of a regression's targets. Steps of adaptive optimizers are about 1e-3 whatever the loss, and so
    /// are the errors that they leave.
    public var leastTarget = 1e-3
    /// The share of the commonest class, from which on a constant guess is right nearly always, where rare classes have no
    /// larger a share in the gradient.
    public var commonestClass = 0.95
    /// The share of samples that differ from each other in a batch.
    public var distinctSamples = 0.25
    /// The share of the validation data that may be in the training data: a percent moves no figure by more than itself.
    public var sharedSamples = 0.01
    /// The root mean square of a regression's targets, where a new model's outputs are about 1 at the most.
    public var targetScale = 10.0
    /// How far the weights' gain may be from what the activation function behind asks for, in both directions, where a sign
    /// asks for a cause.
    public var gain = 1.3
    /// A gain so far off is a cause by itself.
    public var extremeGain = 20.0
    /// By how many times the first steps on one batch may have made its loss larger in the end. Steps that suit the loss make
    /// it smaller; noise, as of dropout, changes it by less than this.
    public var divergence = 2.0
    /// By how many times they may make it larger on the way.
    public var spike = 10.0
    /// By what part of the first loss a step on the same batch may raise it, as noise and a step here and there do.
    public var raisingStep = 0.2
    /// What share of the first steps may do so. Steps that are too long throw the loss about without end where a normalisation
    /// keeps it from growing.
    public var raisingSteps = 0.2
    /// How often the learning rate of a loss that is a parabola may be larger than what its curvature allows.
    public var rate = 1.0
    /// What may be left of the loss of a batch that was tried to be learnt by heart.
    public var memorized = 0.5
    /// The momentum from which on steps add up to twenty times their length.
    public var momentum = 0.95
    /// How much of its loss a run takes off at the speed of its first steps, which are the fastest; less than a tenth is
    /// nothing learnt.
    public var plannedProgress = 0.1
    /// How far the weights move in all planned steps, over their size, at the length of the first step.
    public var plannedUpdate = 0.3
    /// By how many times epsilon may exceed gradients: from ten on, steps are a tenth of what the rate says.
    public var epsilon = 10.0
    /// What decay adds to the gradient, over the gradient of the data. While a net learns, the data's falls to a fifth and
    /// less, so that weights shrink from where it is a fifth at first.
    public var decayShare = 0.2
    /// The cosine between weights and their gradients, in the middle of all layers. That of data alone is within a tenth of 0
    /// for a layer of more than a hundred weights; that of a penalty is 1, or 0.8 where it is by the absolute value.
    public var alignment = 0.7
    /// The share of elements that a dropout may drop: the noise that p brings has p / (1 - p) times the signal's variance,
    /// and from 0.8 on twice its deviation.
    public var dropout = 0.79
    /// Samples that statistics of a batch need: the mean of four is half a deviation off.
    public var samplesToNormalize = 4
    /// Sums that are normalised behind their branches, two for each layer of a Transformer, from which on a full rate breaks
    /// the first steps (Xiong et al. 2020, who need warmup at six layers).
    public var normalizedSums = 8
    /// The first step over the size of the weights that such sums bear.
    public var firstUpdate = 5e-3
    /// The least root mean square of a step over that of a weight. Less is lost in rounding, or takes millions of steps.
    public var leastUpdate = 1e-7
    /// How likely it may be that all units of some layer are off from the start.
    public var bornDead = 0.05
    /// Samples that a batch must have for what all of its targets have in common to mean something.
    public var samples = 16
    /// Time steps from which on a cell that begins by forgetting has far to go back: over the eight rows of a digit, a bias of
    /// -5 harms nothing.
    public var rememberedSteps = 20
    /// How often the gradient of an early time step may be smaller than that of the last. Recurrent weights grow as they are
    /// trained: nets of thirty steps that begin with 1e-7 to 1e-10 learn; what two hundred steps leave, 1e-20 and less, is lost.
    public var vanishingInTime = 1e-12
    /// How often it may be larger.
    public var explodingInTime = 1e4

    /// The depth of a rectified net over its width, the sum of 1 / width, up to which gradients differ little between seeds
    /// (Hanin and Rolnick 2018, theorem 5 and corollary 2).
    public var depthOverWidth = 0.4

    // Of a run under way
    /// How far the loss may rise above that of the first steps, in units of it. A warmup, or the first steps of Adam, raise it
    /// by a few hundredths.
    public var risenLoss = 0.2
    /// How far the first 20 steps may throw the loss above what it was before them, in units of it: a step that is too long
    /// only for first weights asks for a warmup, and leaves them where learning is slow.
    public var shock = 0.5
    /// How many times deeper than it was high at first a loss below 0 may fall, where gradients grow by a hundredth of that:
    /// what converges has smaller gradients the nearer it comes.
    public var endlessFall = 1000.0
    /// How many of 200 steps may have a loss far above those before.
    public var spikes = 4
    /// The cosine between step and gradient that no step downwards has, time after time.
    public var ascent = 0.1
    /// The same for a step that leads nearly straight up.
    public var straightAscent = 0.5
    /// How far such steps raise the loss, in units of the first.
    public var ascentRise = 0.05
    /// How far they do in deviations of the losses of a block.
    public var ascentDeviations = 2.0
    /// A step that changes parameters by less than this part of themselves would need the length of a whole run to change
    /// them at all.
    public var slowUpdate = 1e-5
    /// A step that changes half of the weights by half of themselves. Healthy ones change a thousandth, small nets at the
    /// start a tenth.
    public var wildUpdate = 0.5
    /// The part of the weights that steps may change, look after look, in a run whose loss gets nowhere. A hundredth of it is
    /// usual.
    public var longUpdate = 0.1
    /// How many times as large as those before it the loss of a batch must be to be known for spoilt by that alone.
    public var spoiltBatch = 1000.0
    /// What part of the first loss a whole run must take off for something to be learnt.
    public var learntShare = 0.03
    /// The part of the gradient that clipping may leave, time after time.
    public var clippedShare = 0.01
    /// How hard a penalty may pull, in units of the gradient of the data, while the loss is far from its end.
    public var penaltyShare = 0.3
    /// How many times the rate it is given a schedule may raise it to. Those that go up and down raise it tenfold.
    public var raisedRate = 30.0
    /// The part of its peak below which a learning rate does nothing any more.
    public var spentRate = 1e-3
    /// The part of a run that may go on with such a rate. Cosines and the like end with a fiftieth of it.
    public var spentShare = 0.3
    /// How much larger the loss of a batch may be in evaluation than in training, in units of the first loss.
    public var modeShare = 0.2
    /// By what part of its least value the validation loss may have risen, and by what part that of the training data must
    /// have fallen meanwhile.
    public var overfitting = 0.1
    /// The losses of how many samples, each as wrong as it was at first, the validation loss must have risen by. Fewer are
    /// as good as chance: a net that has seen enough is sure of itself, of its few mistakes too.
    public var guessedSamples = 4.0
    /// For how many epochs it must have.
    public var overfittingEpochs = 5

    /// What the doctor uses unless told otherwise.
    public init() {}
}
