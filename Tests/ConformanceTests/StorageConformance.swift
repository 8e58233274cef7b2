import GimbalBackend
import GimbalTestSupport
import Testing

extension Conformance {
    /// The cases of the fused operations once more, with tensors in float16, in bfloat16, and some of them in bfloat16:
    /// arithmetic is float32 whatever the storage, so that a result errs by one rounding more.
    @Suite struct NarrowStorage {
        /// The CPU as users get it, and every OpenCL device.
        static let subjects = BackendUnderTest.cpu.prefix(1) + BackendUnderTest.openCL

        private func inEveryStorage(roundings: Double = 1, _ body: () throws -> Void) rethrows {
            for storage in StorageUnderTest.all {
                try StorageUnderTest.$current.withValue(storage.allowing(roundings: roundings), operation: body)
            }
        }

        @Test(arguments: subjects) func softmax(on subject: BackendUnderTest) throws {
            try inEveryStorage {
                try Softmax().softmaxOfEverySize(on: subject)
                try Softmax().softmaxGradient(on: subject)
                try Softmax().softmaxGradientKeepsNaNInItsRow(on: subject)
            }
        }

        @Test(arguments: subjects) func crossEntropy(on subject: BackendUnderTest) throws {
            try inEveryStorage {
                try CrossEntropy().everySize(on: subject)
                try CrossEntropy().targetsOutOfRangeGiveNaN(on: subject)
                try CrossEntropy().ignoredRowsMayHoldAnything(on: subject)
            }
        }

        @Test(arguments: subjects) func batchNorm(on subject: BackendUnderTest) throws {
            try inEveryStorage {
                try BatchNorm().everyShape(on: subject)
                try BatchNorm().everyChoiceOfOptionalViews(on: subject)
                try BatchNorm().nanAndInfinityStayInTheirChannel(on: subject)
                try BatchNorm().inferenceUsesTheGivenStatistics(on: subject)
                try BatchNorm().gradientOfEveryShape(on: subject)
                try BatchNorm().gradientWritesWhatIsAskedFor(on: subject)
                try BatchNorm().endingInReLU(on: subject)
                try BatchNorm().gradientThroughReLU(on: subject)
            }
        }

        @Test(arguments: subjects) func layerNorm(on subject: BackendUnderTest) throws {
            try inEveryStorage {
                try LayerNorm().everySize(on: subject)
                try LayerNorm().parametersMayBeAbsent(on: subject)
                try LayerNorm().nanAndInfinityStayInTheirRow(on: subject)
                try LayerNorm().gradientOfEverySize(on: subject)
                try LayerNorm().gradientWritesWhatIsAskedFor(on: subject)
            }
        }

        @Test(arguments: subjects) func attention(on subject: BackendUnderTest) throws {
            try inEveryStorage {
                try Attention().everyMaskAndSize(on: subject)
                try Attention().whatIsMaskedDoesNotCount(on: subject)
                try Attention().gradient(on: subject)
            }
        }

        @Test(arguments: subjects) func dropoutAndRandomNumbers(on subject: BackendUnderTest) throws {
            try inEveryStorage {
                try RandomNumbers().normalNumbersAreBoxMuller(on: subject)
                try Dropout().dropoutKeepsWhatTheReferenceKeeps(on: subject)
                try Dropout().dropoutWorksInPlace(on: subject)
                try Dropout().dropoutOfNaNAndInfinity(on: subject)
            }
        }

        @Test(arguments: subjects) func normsAndClipping(on subject: BackendUnderTest) throws {
            try inEveryStorage {
                try Clipping().normOfOneTensor(on: subject)
                try Clipping().normOverManyTensors(on: subject)
                try Clipping().normOfNaNAndInfinity(on: subject)
                try Clipping().clipScalesToTheMaximum(on: subject)
                try SegmentOperations().normsOfStretches(on: subject)
                try SegmentOperations().stretchesAreScaledEachByItsFactor(on: subject)
            }
        }

        @Test(arguments: subjects) func lossScaling(on subject: BackendUnderTest) throws {
            try inEveryStorage {
                try LossScaling().gradientsAreDividedByTheScale(on: subject)
                try LossScaling().theScaleFollowsTheSteps(on: subject)
            }
        }

        @Test(arguments: subjects) func statistics(on subject: BackendUnderTest) throws {
            try inEveryStorage { try Statistics().everySize(on: subject) }
        }

        /// A step takes the states that the one before it stored.
        @Test(arguments: subjects) func recurrentCells(on subject: BackendUnderTest) throws {
            try inEveryStorage(roundings: 4) {
                try Recurrent().everySize(on: subject)
                try Recurrent().endedRowsKeepTheirState(on: subject)
                try Recurrent().sequencesOfEveryKind(on: subject)
            }
        }

        @Test(arguments: subjects) func temporalClassification(on subject: BackendUnderTest) throws {
            try inEveryStorage(roundings: 4) { try TemporalClassification().everySize(on: subject) }
        }

        @Test(arguments: subjects) func convolution(on subject: BackendUnderTest) throws {
            try inEveryStorage {
                try Convolution().everyNumberOfAxes(on: subject)
                try Convolution().nanStaysWithinItsWindows(on: subject)
            }
        }

        @Test(arguments: subjects) func pooling(on subject: BackendUnderTest) throws {
            try inEveryStorage {
                try Pooling().maximumOfEveryWindow(on: subject)
                try Pooling().averageOfEveryWindow(on: subject)
            }
        }

        @Test(arguments: subjects) func optimizers(on subject: BackendUnderTest) throws {
            try inEveryStorage {
                try OptimizerSteps().everyRuleAndSize(on: subject)
                try OptimizerSteps().aStepOnCondition(on: subject)
            }
        }
    }
}
