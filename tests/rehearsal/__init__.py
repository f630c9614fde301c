"""What Elastic Beanstalk does with a bundle, done on one machine (make rehearse)."""
